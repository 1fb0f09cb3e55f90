# Fails when a file includes something its layer may not see, when a library is
# used outside its door, or when the pure layers reach for the outside world.
#
#   cmake -DROOT=<repository> -P tests/layering.cmake

cmake_minimum_required(VERSION 3.25)

# A layer includes itself and what stands below it.
set(crd_allows crd)
set(reconcilers_allows crd reconcilers)
set(controller_allows crd reconcilers controller)

# Each library has one door, so that replacing it means one file.
set(door_absl reconcilers/zone.cc)
set(door_yaml-cpp crd/yaml.cc)
set(door_pqxx controller/postgres.cc)
set(door_prometheus controller/metrics.cc controller/http_server.cc)
set(door_CivetServer.h controller/http_server.cc)
set(door_civetweb.h controller/http_server.cc)
set(door_CLI controller/options.cc controller/plugin_options.cc)
set(door_cpprest controller/kubernetes.cc)
set(door_pplx controller/kubernetes.cc)
set(door_boost controller/kubernetes.cc)
set(door_openssl controller/kubernetes.cc)

# JSON is the language between the layers; the rest is the operating system.
set(open_to_all nlohmann sys netinet arpa net)

# A plan is a function of policy, catalogue and time, all of them handed in.
set(pure_layers crd reconcilers)
set(impure_headers thread fstream iostream)
set(impure_calls "(::now\\(|[^A-Za-z0-9_]getenv\\()")

foreach(layer crd reconcilers controller)
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${layer}/*.h ${ROOT}/${layer}/*.cc)
  foreach(file ${files})
    file(STRINGS ${ROOT}/${file} includes REGEX "^ *# *include *[<\"]")
    foreach(line ${includes})
      string(REGEX REPLACE "^ *# *include *[<\"]([^>\"]*).*" "\\1" path "${line}")
      string(REGEX REPLACE "/.*" "" from "${path}")
      if(line MATCHES "\"")
        if(NOT path MATCHES "/")
          message(SEND_ERROR "${file}: write the folder of \"${path}\"")
        elseif(NOT from IN_LIST ${layer}_allows)
          message(SEND_ERROR "${file}: layer '${layer}' may not include '${from}/'")
        endif()
      elseif(DEFINED door_${from})
        if(NOT file IN_LIST door_${from})
          message(SEND_ERROR "${file}: <${path}> may only be included by ${door_${from}}")
        endif()
      elseif(path MATCHES "/" AND NOT from IN_LIST open_to_all)
        message(SEND_ERROR "${file}: <${path}> belongs to a library without a door; tests/layering.cmake lists them")
      elseif(layer IN_LIST pure_layers AND path IN_LIST impure_headers)
        message(SEND_ERROR "${file}: layer '${layer}' is pure and may not include <${path}>")
      endif()
    endforeach()
    if(layer IN_LIST pure_layers)
      file(STRINGS ${ROOT}/${file} calls REGEX "${impure_calls}")
      list(FILTER calls EXCLUDE REGEX "^ *//")
      if(calls)
        message(SEND_ERROR "${file}: layer '${layer}' is pure and may not call ${calls}")
      endif()
    endif()
  endforeach()
endforeach()
