// Small files of every on-disk format, kept: what was written once must be read for ever.
//
// A kept file is a sparse dump: `size S`, then lines `offset: bytes`, all in hexadecimal; lines of
// zeros are left out. SYNOD_REWRITE=1 in the environment writes them anew; a changed dump is a
// changed format, and stands beside the old one as a new file.
#pragma once

#include <string>

#include "base/bytes.h"

namespace synod::script {

// What the file of this name holds; fails the test if it is not there.
Bytes read_kept(const std::string& path);
// The bytes are those of the kept file.
void expect_kept(const std::string& path, ByteView bytes);

}  // namespace synod::script
