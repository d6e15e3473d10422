// SPDX-License-Identifier: Apache-2.0
// Asio and Beast are compiled here, once; see the definitions in CMakeLists.txt.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
