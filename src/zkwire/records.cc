#include "zkwire/records.h"

namespace synod::zkwire {

AclList open_acl() { return {Acl{perm::all, Id{"world", "anyone"}}}; }

const char* to_string(Code code) {
  switch (code) {
    case Code::ok: return "OK";
    case Code::system_error: return "SYSTEMERROR";
    case Code::runtime_inconsistency: return "RUNTIMEINCONSISTENCY";
    case Code::data_inconsistency: return "DATAINCONSISTENCY";
    case Code::connection_loss: return "CONNECTIONLOSS";
    case Code::marshalling_error: return "MARSHALLINGERROR";
    case Code::unimplemented: return "UNIMPLEMENTED";
    case Code::operation_timeout: return "OPERATIONTIMEOUT";
    case Code::bad_arguments: return "BADARGUMENTS";
    case Code::new_config_no_quorum: return "NEWCONFIGNOQUORUM";
    case Code::reconfig_in_progress: return "RECONFIGINPROGRESS";
    case Code::no_node: return "NONODE";
    case Code::no_auth: return "NOAUTH";
    case Code::bad_version: return "BADVERSION";
    case Code::no_children_for_ephemerals: return "NOCHILDRENFOREPHEMERALS";
    case Code::node_exists: return "NODEEXISTS";
    case Code::not_empty: return "NOTEMPTY";
    case Code::session_expired: return "SESSIONEXPIRED";
    case Code::invalid_acl: return "INVALIDACL";
    case Code::auth_failed: return "AUTHFAILED";
    case Code::session_moved: return "SESSIONMOVED";
    case Code::not_read_only: return "NOTREADONLY";
    case Code::ephemeral_on_local_session: return "EPHEMERALONLOCALSESSION";
    case Code::no_watcher: return "NOWATCHER";
    case Code::reconfig_disabled: return "RECONFIGDISABLED";
    case Code::session_closed_require_sasl_auth: return "SESSIONCLOSEDREQUIRESASLAUTH";
    case Code::quota_exceeded: return "QUOTAEXCEEDED";
    case Code::throttled_op: return "THROTTLEDOP";
  }
  return "UNKNOWN";
}

const char* to_string(OpCode op) {
  switch (op) {
    case OpCode::notification: return "notification";
    case OpCode::create: return "create";
    case OpCode::remove: return "delete";
    case OpCode::exists: return "exists";
    case OpCode::get_data: return "getData";
    case OpCode::set_data: return "setData";
    case OpCode::get_acl: return "getACL";
    case OpCode::set_acl: return "setACL";
    case OpCode::get_children: return "getChildren";
    case OpCode::sync: return "sync";
    case OpCode::ping: return "ping";
    case OpCode::get_children2: return "getChildren2";
    case OpCode::check: return "check";
    case OpCode::multi: return "multi";
    case OpCode::create2: return "create2";
    case OpCode::reconfig: return "reconfig";
    case OpCode::check_watches: return "checkWatches";
    case OpCode::remove_watches: return "removeWatches";
    case OpCode::create_container: return "createContainer";
    case OpCode::delete_container: return "deleteContainer";
    case OpCode::create_ttl: return "createTTL";
    case OpCode::multi_read: return "multiRead";
    case OpCode::auth: return "auth";
    case OpCode::set_watches: return "setWatches";
    case OpCode::sasl: return "sasl";
    case OpCode::get_ephemerals: return "getEphemerals";
    case OpCode::get_all_children_number: return "getAllChildrenNumber";
    case OpCode::set_watches2: return "setWatches2";
    case OpCode::add_watch: return "addWatch";
    case OpCode::who_am_i: return "whoAmI";
    case OpCode::create_session: return "createSession";
    case OpCode::close_session: return "closeSession";
    case OpCode::error: return "error";
  }
  return "unknown";
}

}  // namespace synod::zkwire
