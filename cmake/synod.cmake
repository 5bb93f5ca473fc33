# synod_folder(NAME LINKS a b [DIRECTORY d]): one folder of src as one static library `synod_NAME`
# (slashes become underscores) whose link list repeats the arrows of docs/design.md, and, where the
# folder has *_test.cc, one test program `NAME_test`.
#
# NAME   the folder's path below src, such as `paxos` or `master/core`.
# LINKS  what it may include: synod_base, other folders, third-party targets.
# TEST_LINKS  what only its tests need.
function(synod_folder name)
  cmake_parse_arguments(arg "" "" "LINKS;TEST_LINKS" ${ARGN})
  string(REPLACE "/" "_" id "${name}")
  set(directory "${CMAKE_CURRENT_SOURCE_DIR}")
  file(GLOB sources CONFIGURE_DEPENDS "${directory}/*.cc")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(synod_${id} STATIC ${sources})
    target_link_libraries(synod_${id} PUBLIC ${arg_LINKS} synod_options)
    target_include_directories(synod_${id} PUBLIC "${PROJECT_SOURCE_DIR}/src")
    synod_precompile(synod_${id})
    synod_unite(synod_${id})
  else()
    add_library(synod_${id} INTERFACE)
    target_link_libraries(synod_${id} INTERFACE ${arg_LINKS} synod_options)
    target_include_directories(synod_${id} INTERFACE "${PROJECT_SOURCE_DIR}/src")
  endif()
  if(tests AND SYNOD_TESTS)
    synod_test(${id}_test SOURCES ${tests} LINKS synod_${id} ${arg_TEST_LINKS})
  endif()
endfunction()

# synod_test(NAME SOURCES ... LINKS ...): one GoogleTest program, each test of it known to ctest.
function(synod_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(SYNOD_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} synod_script synod_options GTest::gmock
    GTest::gtest_main)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${name} PRIVATE
    SYNOD_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}" SYNOD_BINARY_DIR="${PROJECT_BINARY_DIR}")
  # Tests are compiled once and run for seconds: not optimizing them halves the build.
  target_compile_options(${name} PRIVATE -O0)
  if(SYNOD_PRECOMPILE)
    target_precompile_headers(${name} REUSE_FROM synod_test_pch)
  endif()
  synod_unite(${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# The precompiled header of standard headers: one, built once, shared by all.
function(synod_precompile target)
  if(SYNOD_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM synod_pch)
  endif()
endfunction()

# Files of one folder share most of their headers: compiled SYNOD_UNITY at a time, a clean build
# takes half as long. Names in unnamed namespaces must therefore be unique in their folder. Developers
# build each file alone (preset dev), which also shows a missing include.
function(synod_unite target)
  if(SYNOD_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${SYNOD_UNITY})
  endif()
endfunction()
