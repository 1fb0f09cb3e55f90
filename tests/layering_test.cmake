# Plants one violation at a time and sees that layering.cmake finds it.
#
#   cmake -DSCRATCH=<folder> -P tests/layering_test.cmake

cmake_minimum_required(VERSION 3.25)

function(check file content expected)
  file(REMOVE_RECURSE ${SCRATCH})
  file(WRITE ${SCRATCH}/${file} "${content}\n")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DROOT=${SCRATCH} -P ${CMAKE_CURRENT_LIST_DIR}/layering.cmake
    RESULT_VARIABLE result ERROR_VARIABLE errors)
  string(REGEX REPLACE "[ \n]+" " " errors "${errors}")  # messages arrive wrapped
  if(expected STREQUAL "fine")
    if(NOT result EQUAL 0)
      message(SEND_ERROR "${file} with '${content}' should be fine, but: ${errors}")
    endif()
  elseif(result EQUAL 0)
    message(SEND_ERROR "${file} with '${content}' went unnoticed")
  elseif(NOT errors MATCHES "${file}: ${expected}")
    message(SEND_ERROR "${file} with '${content}' was expected to fail with '${expected}', but: ${errors}")
  endif()
endfunction()

check(crd/a.cc "#include \"crd/a.h\"" fine)
check(crd/a.cc "#include \"reconcilers/a.h\"" "layer 'crd' may not include 'reconcilers/'")
check(crd/a.cc "#include \"a.h\"" "write the folder")
check(crd/a.h "#include <yaml-cpp/yaml.h>" "<yaml-cpp/yaml.h> may only be included by crd/yaml.cc")
check(crd/yaml.cc "#include <yaml-cpp/yaml.h>" fine)
check(crd/a.cc "#include <nlohmann/json.hpp>" fine)
check(crd/a.cc "#include <fstream>" "layer 'crd' is pure")

check(reconcilers/a.cc "#include \"crd/a.h\"" fine)
check(reconcilers/a.h "  # include \"controller/a.h\"" "layer 'reconcilers' may not include 'controller/'")
check(reconcilers/a.cc "#include <absl/time/time.h>" "<absl/time/time.h> may only")
check(reconcilers/zone.cc "#include <absl/time/time.h>" fine)
check(reconcilers/a.cc "#include <fmt/core.h>" "<fmt/core.h> belongs to a library without a door")
check(reconcilers/a.cc "#include <thread>" "layer 'reconcilers' is pure")
check(reconcilers/a.cc "#include <iostream>" "layer 'reconcilers' is pure")
check(reconcilers/a.cc "auto t = system_clock::now()\;" "layer 'reconcilers' is pure and may not call")
check(reconcilers/a.cc "auto h = std::getenv(\"HOME\")\;" "layer 'reconcilers' is pure and may not call")
check(reconcilers/a.cc "// never system_clock::now()" fine)

check(controller/a.cc "#include \"reconcilers/a.h\"" fine)
check(controller/a.cc "#include \"tests/a.h\"" "layer 'controller' may not include 'tests/'")
check(controller/a.cc "#include <pqxx/pqxx>" "<pqxx/pqxx> may only be included by controller/postgres.cc")
check(controller/postgres.cc "#include <pqxx/pqxx>" fine)
check(controller/http_server.cc "#include <CivetServer.h>" fine)
check(controller/metrics.cc "#include <prometheus/registry.h>" fine)
check(controller/metrics.cc "#include <CivetServer.h>" "<CivetServer.h> may only")
check(controller/kubernetes.cc "#include <openssl/ssl.h>" fine)
check(controller/a.cc "#include <cpprest/uri.h>" "<cpprest/uri.h> may only be included by controller/kubernetes.cc")
check(controller/main.cc "#include <CLI/CLI.hpp>" "<CLI/CLI.hpp> may only be included by controller/options.cc")
check(controller/a.cc "#include <thread>\nauto t = system_clock::now()\;" fine)

file(REMOVE_RECURSE ${SCRATCH})
