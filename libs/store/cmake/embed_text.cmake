# Writes OUTPUT, a C++ file holding the text of SOURCE.
file(READ ${SOURCE} text)
file(WRITE ${OUTPUT} "// SPDX-License-Identifier: Apache-2.0
#include \"community_settings.hpp\"

namespace bifrost::store {

std::string_view community_settings() { return R\"bifrost_sql(${text})bifrost_sql\"; }

}  // namespace bifrost::store
")
