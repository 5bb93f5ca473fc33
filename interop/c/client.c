// libzookeeper-mt, unmodified, against the servers of ZK_ADDRESSES: every call of the C API that this
// release of synod promises, a lock, an election, watches and sessions.
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zookeeper.h>

#define EXPECT(wanted, call)                                                                \
  do {                                                                                      \
    int got_ = (call);                                                                      \
    if (got_ != (wanted)) {                                                                 \
      fprintf(stderr, "%s:%d: %s: %s, expected %s\n", __FILE__, __LINE__, #call,            \
              zerror(got_), zerror(wanted));                                                \
      exit(1);                                                                              \
    }                                                                                       \
  } while (0)
#define CHECK(condition)                                                                    \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);         \
      exit(1);                                                                              \
    }                                                                                       \
  } while (0)

static const char *hosts;

// Events of one handle, in order.
typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t change;
  int connected, expired, count;
  int types[64];
  char paths[64][128];
} Events;

static void on_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
  Events *e = context != NULL ? context : (Events *)zoo_get_context(zh);
  pthread_mutex_lock(&e->mutex);
  if (type == ZOO_SESSION_EVENT) {
    e->connected = state == ZOO_CONNECTED_STATE;
    e->expired = e->expired || state == ZOO_EXPIRED_SESSION_STATE;
  } else if (e->count < 64) {
    e->types[e->count] = type;
    snprintf(e->paths[e->count++], 128, "%s", path);
  }
  pthread_cond_broadcast(&e->change);
  pthread_mutex_unlock(&e->mutex);
}

static int wait_for(Events *e, int *value, int wanted) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 20;
  pthread_mutex_lock(&e->mutex);
  int late = 0;
  while (*value < wanted && !late) {
    late = pthread_cond_timedwait(&e->change, &e->mutex, &until) != 0;
  }
  int reached = *value >= wanted;
  pthread_mutex_unlock(&e->mutex);
  return reached;
}

static zhandle_t *open_session(Events *e, const clientid_t *id, int timeout) {
  memset(e, 0, sizeof *e);
  pthread_mutex_init(&e->mutex, NULL);
  pthread_cond_init(&e->change, NULL);
  zhandle_t *zh = zookeeper_init(hosts, on_event, timeout, id, e, 0);
  CHECK(zh != NULL);
  CHECK(wait_for(e, &e->connected, 1));
  return zh;
}

static void operations(void) {
  Events e;
  zhandle_t *zh = open_session(&e, NULL, 6000);
  char buffer[256];
  int size = sizeof buffer;
  struct Stat stat;
  struct String_vector names;
  struct ACL_vector acl;
  EXPECT(ZOK, zoo_create(zh, "/c", "one", 3, &ZOO_OPEN_ACL_UNSAFE, 0, buffer, sizeof buffer));
  CHECK(strcmp(buffer, "/c") == 0);
  EXPECT(ZNODEEXISTS, zoo_create(zh, "/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  EXPECT(ZOK, zoo_create2(zh, "/c/two", "22", 2, &ZOO_OPEN_ACL_UNSAFE, 0, buffer, sizeof buffer, &stat));
  CHECK(stat.dataLength == 2 && stat.czxid == stat.mzxid && stat.version == 0);
  EXPECT(ZOK, zoo_get(zh, "/c", 0, buffer, &size, &stat));
  CHECK(size == 3 && memcmp(buffer, "one", 3) == 0 && stat.numChildren == 1);
  EXPECT(ZOK, zoo_set2(zh, "/c", "other", 5, 0, &stat));
  CHECK(stat.version == 1);
  EXPECT(ZBADVERSION, zoo_set(zh, "/c", "x", 1, 0));
  EXPECT(ZNONODE, zoo_exists(zh, "/nothing", 0, &stat));
  EXPECT(ZNOTEMPTY, zoo_delete(zh, "/c", -1));
  EXPECT(ZOK, zoo_set(zh, "/c", NULL, -1, -1));
  size = sizeof buffer;
  EXPECT(ZOK, zoo_get(zh, "/c", 0, buffer, &size, &stat));
  CHECK(size == -1);  // null is not empty
  for (int i = 0; i < 3; ++i) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "/c/s-%010d", i + 1);
    EXPECT(ZOK, zoo_create(zh, "/c/s-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, buffer, sizeof buffer));
    CHECK(strcmp(buffer, wanted) == 0);
  }
  EXPECT(ZOK, zoo_get_children2(zh, "/c", 0, &names, &stat));
  CHECK(names.count == 4 && stat.cversion == 4);
  deallocate_String_vector(&names);
  EXPECT(ZOK, zoo_get_acl(zh, "/c", &acl, &stat));
  CHECK(acl.count == 1 && acl.data[0].perms == ZOO_PERM_ALL);
  deallocate_ACL_vector(&acl);
  EXPECT(ZOK, zoo_set_acl(zh, "/c/two", 0, &ZOO_READ_ACL_UNSAFE));
  EXPECT(ZNOAUTH, zoo_set(zh, "/c/two", "x", 1, -1));
  zookeeper_close(zh);
  puts("  c: operations");
}

static void transactions(void) {
  Events e;
  zhandle_t *zh = open_session(&e, NULL, 6000);
  char path[64];
  struct Stat stat;
  zoo_op_t ops[4];
  zoo_op_result_t results[4];
  zoo_create_op_init(&ops[0], "/m", "1", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
  zoo_create_op_init(&ops[1], "/m/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
  zoo_set_op_init(&ops[2], "/m", "2", 1, 0, &stat);
  zoo_delete_op_init(&ops[3], "/m/x", 0);
  EXPECT(ZOK, zoo_multi(zh, 4, ops, results));
  CHECK(strcmp(path, "/m") == 0 && stat.version == 1);
  zoo_set_op_init(&ops[0], "/m", "3", 1, -1, &stat);
  zoo_check_op_init(&ops[1], "/m", 9);
  zoo_create_op_init(&ops[2], "/m/never", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
  EXPECT(ZBADVERSION, zoo_multi(zh, 3, ops, results));
  CHECK(results[0].err == ZOK && results[1].err == ZBADVERSION && results[2].err == ZRUNTIMEINCONSISTENCY);
  EXPECT(ZNONODE, zoo_exists(zh, "/m/never", 0, &stat));
  zookeeper_close(zh);
  puts("  c: transactions");
}

static void watches(void) {
  Events mine, others;
  zhandle_t *zh = open_session(&mine, NULL, 6000);
  zhandle_t *other = open_session(&others, NULL, 6000);
  struct Stat stat;
  struct String_vector names;
  char buffer[16];
  int size = sizeof buffer;
  EXPECT(ZNONODE, zoo_wexists(zh, "/w", on_event, &mine, &stat));
  EXPECT(ZOK, zoo_create(other, "/w", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  CHECK(wait_for(&mine, &mine.count, 1));
  CHECK(mine.types[0] == ZOO_CREATED_EVENT && strcmp(mine.paths[0], "/w") == 0);
  EXPECT(ZOK, zoo_wget(zh, "/w", on_event, &mine, buffer, &size, &stat));
  EXPECT(ZOK, zoo_wget_children(zh, "/w", on_event, &mine, &names));
  deallocate_String_vector(&names);
  EXPECT(ZOK, zoo_set(other, "/w", "1", 1, -1));
  EXPECT(ZOK, zoo_set(other, "/w", "2", 1, -1));  // one event only
  EXPECT(ZOK, zoo_create(other, "/w/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  CHECK(wait_for(&mine, &mine.count, 3));
  CHECK(mine.types[1] == ZOO_CHANGED_EVENT && mine.types[2] == ZOO_CHILD_EVENT);
  size = sizeof buffer;
  EXPECT(ZOK, zoo_get(zh, "/w", 0, buffer, &size, &stat));
  CHECK(buffer[0] == '2');  // the event came first, and now the data
  EXPECT(ZOK, zoo_wexists(zh, "/w/c", on_event, &mine, &stat));
  EXPECT(ZOK, zoo_delete(other, "/w/c", -1));
  CHECK(wait_for(&mine, &mine.count, 4));
  CHECK(mine.types[3] == ZOO_DELETED_EVENT);
  zookeeper_close(other);
  zookeeper_close(zh);
  puts("  c: watches");
}

// A process that opens a session, makes an ephemeral node and ends without a word; the session's id.
static clientid_t session_of_the_dead(const char *path) {
  int ends[2];
  clientid_t id;
  CHECK(pipe(ends) == 0);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    Events e;
    zhandle_t *zh = open_session(&e, NULL, 6000);
    EXPECT(ZOK, zoo_create(zh, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0));
    id = *zoo_client_id(zh);
    CHECK(write(ends[1], &id, sizeof id) == (ssize_t)sizeof id);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(read(ends[0], &id, sizeof id) == (ssize_t)sizeof id);
  close(ends[0]);
  close(ends[1]);
  return id;
}

static void sessions(void) {
  Events mine, other;
  struct Stat stat;
  // Attached elsewhere with id and password: the same session, its node is still there.
  const clientid_t id = session_of_the_dead("/e");
  zhandle_t *watcher = open_session(&other, NULL, 6000);
  zhandle_t *zh = open_session(&mine, &id, 6000);
  CHECK(zoo_client_id(zh)->client_id == id.client_id);
  CHECK(zoo_recv_timeout(zh) == 6000);
  EXPECT(ZOK, zoo_wexists(watcher, "/e", on_event, &other, &stat));
  CHECK(stat.ephemeralOwner == id.client_id);
  zookeeper_close(zh);
  CHECK(wait_for(&other, &other.count, 1));
  CHECK(other.types[0] == ZOO_DELETED_EVENT);
  // Now it is gone: whoever attaches is told that it has expired.
  memset(&mine, 0, sizeof mine);
  zh = zookeeper_init(hosts, on_event, 6000, &id, &mine, 0);
  CHECK(wait_for(&mine, &mine.expired, 1));
  zookeeper_close(zh);
  // A session that nobody speaks for expires by itself.
  const clientid_t silent = session_of_the_dead("/silent");
  EXPECT(ZOK, zoo_wexists(watcher, "/silent", on_event, &other, &stat));
  CHECK(stat.ephemeralOwner == silent.client_id);
  CHECK(wait_for(&other, &other.count, 2));
  CHECK(other.types[1] == ZOO_DELETED_EVENT);
  zookeeper_close(watcher);
  puts("  c: sessions");
}

static void access_control(void) {
  Events e, f;
  char buffer[16];
  int size = sizeof buffer;
  zhandle_t *zh = open_session(&e, NULL, 6000);
  zhandle_t *stranger = open_session(&f, NULL, 6000);
  EXPECT(ZOK, zoo_add_auth(zh, "digest", "ben:passwd", 10, NULL, NULL));
  EXPECT(ZOK, zoo_create(zh, "/a", "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  EXPECT(ZOK, zoo_get(zh, "/a", 0, buffer, &size, NULL));
  EXPECT(ZNOAUTH, zoo_get(stranger, "/a", 0, buffer, &size, NULL));
  EXPECT(ZINVALIDACL, zoo_create(stranger, "/b", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0));
  EXPECT(ZOK, zoo_add_auth(stranger, "digest", "ben:passwd", 10, NULL, NULL));
  size = sizeof buffer;
  EXPECT(ZOK, zoo_get(stranger, "/a", 0, buffer, &size, NULL));
  struct ACL_vector acl;
  struct Stat stat;
  EXPECT(ZOK, zoo_get_acl(zh, "/a", &acl, &stat));
  CHECK(strcmp(acl.data[0].id.id, "ben:GnIFqmuceuc/72KWrVhTHjDv9u4=") == 0);
  deallocate_ACL_vector(&acl);
  zookeeper_close(stranger);
  zookeeper_close(zh);
  puts("  c: access_control");
}

// --- a lock by sequential ephemerals: who holds the smallest number is in

enum { workers = 4, rounds = 8 };
static volatile int inside, worst, total;

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lock(zhandle_t *zh, Events *e, char *mine) {
  EXPECT(ZOK, zoo_create(zh, "/lock/l-", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL | ZOO_SEQUENCE, mine, 64));
  for (;;) {
    struct String_vector names;
    EXPECT(ZOK, zoo_get_children(zh, "/lock", 0, &names));
    qsort(names.data, (size_t)names.count, sizeof *names.data, compare);
    int at = 0;
    while (strcmp(names.data[at], mine + strlen("/lock/")) != 0) ++at;
    char before[80] = "";
    if (at > 0) snprintf(before, sizeof before, "/lock/%s", names.data[at - 1]);
    deallocate_String_vector(&names);
    if (at == 0) return;
    struct Stat stat;
    pthread_mutex_lock(&e->mutex);
    e->count = 0;
    pthread_mutex_unlock(&e->mutex);
    if (zoo_wexists(zh, before, on_event, e, &stat) == ZOK) CHECK(wait_for(e, &e->count, 1));
  }
}

static void *work(void *unused) {
  (void)unused;
  Events e;
  zhandle_t *zh = open_session(&e, NULL, 6000);
  for (int i = 0; i < rounds; ++i) {
    char mine[64];
    lock(zh, &e, mine);
    int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    if (now > worst) worst = now;
    ++total;  // the lock is what guards it
    usleep(1000);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    EXPECT(ZOK, zoo_delete(zh, mine, -1));
  }
  zookeeper_close(zh);
  return NULL;
}

static void locks(void) {
  Events e;
  zhandle_t *zh = open_session(&e, NULL, 6000);
  EXPECT(ZOK, zoo_create(zh, "/lock", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  pthread_t threads[workers];
  for (int i = 0; i < workers; ++i) pthread_create(&threads[i], NULL, work, NULL);
  for (int i = 0; i < workers; ++i) pthread_join(threads[i], NULL);
  CHECK(worst == 1);
  CHECK(total == workers * rounds);
  zookeeper_close(zh);
  puts("  c: locks");
}

// --- an election: the leader's session ends, the next one hears of it

static void election(void) {
  Events e[3];
  zhandle_t *zh[3];
  char mine[3][64];
  struct Stat stat;
  zh[0] = open_session(&e[0], NULL, 6000);
  EXPECT(ZOK, zoo_create(zh[0], "/election", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0));
  for (int i = 0; i < 3; ++i) {
    if (i > 0) zh[i] = open_session(&e[i], NULL, 6000);
    EXPECT(ZOK, zoo_create(zh[i], "/election/n-", "", 0, &ZOO_OPEN_ACL_UNSAFE,
                           ZOO_EPHEMERAL | ZOO_SEQUENCE, mine[i], 64));
    if (i > 0) EXPECT(ZOK, zoo_wexists(zh[i], mine[i - 1], on_event, &e[i], &stat));
  }
  zookeeper_close(zh[0]);
  CHECK(wait_for(&e[1], &e[1].count, 1));
  CHECK(e[1].types[0] == ZOO_DELETED_EVENT && strcmp(e[1].paths[0], mine[0]) == 0);
  CHECK(e[2].count == 0);  // not its turn
  zookeeper_close(zh[1]);
  CHECK(wait_for(&e[2], &e[2].count, 1));
  zookeeper_close(zh[2]);
  puts("  c: election");
}

int main(void) {
  hosts = getenv("ZK_ADDRESSES");
  CHECK(hosts != NULL);
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  setvbuf(stdout, NULL, _IOLBF, 0);
  sessions();  // first: it forks, and no other thread may run then
  operations();
  transactions();
  watches();
  access_control();
  locks();
  election();
  return 0;
}
