# The layer rule, warnings and the shape of a room. A room is declared by one call in libs/<room>/CMakeLists.txt:
#
#   bifrost_library(store LAYER 2 DEPENDS core net LINKS PkgConfig::libpq)
#
# DEPENDS names rooms; each must lie on a lower layer or the configure step stops with a sentence that says so.
# LINKS names outside libraries and stays private: their headers never appear in a room's public headers.

add_library(bifrost_options INTERFACE)
target_compile_features(bifrost_options INTERFACE cxx_std_20)
target_compile_options(bifrost_options INTERFACE -Wall -Wextra -Wshadow -Wconversion -Werror)
if(BIFROST_SANITIZE)
  # -Wno-maybe-uninitialized: g++ 12 sees ghosts in its own library once sanitizers have rewritten the code.
  add_compile_options(-fsanitize=${BIFROST_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
                      -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${BIFROST_SANITIZE})
  if(BIFROST_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)
  endif()
endif()

function(bifrost_library name)
  cmake_parse_arguments(arg "" "LAYER" "DEPENDS;LINKS" ${ARGN})
  foreach(dep IN LISTS arg_DEPENDS)
    set(dep_layer "")
    if(TARGET bifrost_${dep})
      get_target_property(dep_layer bifrost_${dep} BIFROST_LAYER)
    endif()
    if(NOT TARGET bifrost_${dep} OR NOT dep_layer LESS arg_LAYER)
      message(FATAL_ERROR "layer rule: ${name} (layer ${arg_LAYER}) may not depend on ${dep}: it is not below it")
    endif()
  endforeach()
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS include/*.hpp)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS src/*.cpp)
  add_library(bifrost_${name} STATIC ${sources})
  add_library(bifrost::${name} ALIAS bifrost_${name})
  set_target_properties(bifrost_${name} PROPERTIES BIFROST_LAYER ${arg_LAYER} VERIFY_INTERFACE_HEADER_SETS ON)
  target_sources(bifrost_${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${headers})
  target_include_directories(bifrost_${name} PRIVATE src)
  list(TRANSFORM arg_DEPENDS PREPEND bifrost::)
  target_link_libraries(bifrost_${name} PUBLIC ${arg_DEPENDS} PRIVATE bifrost_options ${arg_LINKS})
  target_compile_features(bifrost_${name} PUBLIC cxx_std_20)

  file(GLOB tests CONFIGURE_DEPENDS tests/*.cpp)
  if(tests AND BIFROST_TESTS)
    add_executable(${name}_tests ${tests})
    target_include_directories(${name}_tests PRIVATE src tests)
    target_link_libraries(${name}_tests PRIVATE bifrost::${name} bifrost_options ${arg_LINKS} GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${name}_tests TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
                         PROPERTIES TIMEOUT 300 LABELS "${name}")
  endif()

  file(GLOB benches CONFIGURE_DEPENDS bench/*.cpp)
  if(benches AND BIFROST_BENCH)
    add_executable(${name}_bench ${benches})
    target_include_directories(${name}_bench PRIVATE src)
    target_link_libraries(${name}_bench PRIVATE bifrost::${name} bifrost_options ${arg_LINKS} benchmark::benchmark)
  endif()

  # One fuzz target per file in fuzz/; they need clang's libFuzzer.
  file(GLOB fuzzers CONFIGURE_DEPENDS fuzz/*.cpp)
  if(fuzzers AND BIFROST_FUZZ)
    foreach(fuzzer IN LISTS fuzzers)
      get_filename_component(stem ${fuzzer} NAME_WE)
      add_executable(fuzz_${name}_${stem} ${fuzzer})
      target_include_directories(fuzz_${name}_${stem} PRIVATE src)
      target_link_libraries(fuzz_${name}_${stem} PRIVATE bifrost::${name} bifrost_options ${arg_LINKS})
      target_link_options(fuzz_${name}_${stem} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()

# A program: one main.cpp under apps/<name>, named bifrost-<name> (or bifrost itself).
function(bifrost_program name)
  cmake_parse_arguments(arg "" "" "DEPENDS;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  add_executable(${name} ${sources})
  list(TRANSFORM arg_DEPENDS PREPEND bifrost::)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} bifrost_options ${arg_LINKS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()
