// Streams over descriptors: TCP, TLS over TCP, pipes.
//
// Writes of one turn leave together: write() queues, a flush at the end of the turn hands all to
// the kernel in one call. close() sends what is queued, says so to the handler, and then keeps the
// socket a little longer to swallow what the peer still sends, because a close with unread bytes
// makes the kernel destroy the answer under way.
//
// Memory  An idle Stream holds no buffer; reads go through the Lane's scratch.
#pragma once

#include <memory>

#include "machine/transport.h"
#include "ports/stream.h"

namespace synod::machine {

std::unique_ptr<ports::Stream> make_stream(std::unique_ptr<Transport> transport, ports::Peer peer);

}  // namespace synod::machine
