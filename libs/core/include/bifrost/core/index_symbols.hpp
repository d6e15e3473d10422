// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace bifrost::core {

/// Whether a symbol is in the table of indices in index_symbols.cpp, as Interactive Brokers spells
/// them. For underlyings of which no broker has said what they are: one who has knows better.
bool is_index_symbol(std::string_view symbol);

}  // namespace bifrost::core
