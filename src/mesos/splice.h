// Protobuf messages put together from the bytes of their parts, without reading the parts.
//
// What a master passes on (a status, a task) came as a message, is kept as bytes, and leaves inside
// another message: reading it once more only to write it again was a good part of a task's cost.
//
// Source   the protobuf encoding: fields in any order, a length-delimited field is tag, size,
// bytes. Errors   None: the bytes are those of our own encoder.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"

namespace synod::mesos {

// Appends a message, string or bytes field.
void append_field(Bytes& out, int number, ByteView body);
// Appends an integer, bool or enum field. Precondition: not negative.
void append_number(Bytes& out, int number, std::uint64_t value);
// The message without these fields of its top level. Precondition: encoded by us.
Bytes without_fields(ByteView message, std::initializer_list<int> numbers);

}  // namespace synod::mesos
