# The page of `wildtype report` and `watch`: web/ built by Node to one HTML file, which the program embeds. Without Node, or where npm cannot
# get what web/ needs, the program is built without the page and says so; everything else works. WT_PAGE_FILE names a page that is there already.
option(WT_PAGE "Build the report page of web/ into the program (Node 20 or newer and npm)" ON)
set(WT_PAGE_FILE "" CACHE FILEPATH "A report page to build in, instead of building web/")

set(page "")
if(WT_PAGE_FILE)
  get_filename_component(page "${WT_PAGE_FILE}" ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  if(NOT EXISTS ${page})
    message(FATAL_ERROR "WT_PAGE_FILE: there is no '${page}'")
  endif()
elseif(WT_PAGE AND EXISTS ${CMAKE_SOURCE_DIR}/web/package-lock.json)
  find_program(WT_NODE node)
  find_program(WT_NPM npm)
  set(node_version "")
  if(WT_NODE)
    execute_process(COMMAND ${WT_NODE} --version OUTPUT_VARIABLE node_version OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    string(REGEX REPLACE "^v" "" node_version "${node_version}")
  endif()
  if(WT_NPM AND node_version VERSION_GREATER_EQUAL 20)
    set(page ${CMAKE_BINARY_DIR}/report.html)
    set(web ${CMAKE_SOURCE_DIR}/web)
    file(GLOB page_parts CONFIGURE_DEPENDS ${web}/*.json ${web}/*.html ${web}/*.js ${web}/*.mjs ${web}/*.ts)
    file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${web}/src/* ${web}/public/*)
    # What an earlier build could not make is tried again.
    if(EXISTS ${page})
      file(SIZE ${page} page_size)
      if(page_size EQUAL 0)
        file(REMOVE ${page})
      endif()
    endif()
    add_custom_command(
      OUTPUT ${page}
      COMMAND ${CMAKE_COMMAND} -DWEB=${web} -DWORK=${CMAKE_BINARY_DIR}/web -DOUT=${page} -DNPM=${WT_NPM} -P ${CMAKE_SOURCE_DIR}/cmake/build_page.cmake
      DEPENDS ${page_parts} ${page_sources} ${CMAKE_SOURCE_DIR}/cmake/build_page.cmake
      COMMENT "Building the report page" VERBATIM)
    add_custom_target(page DEPENDS ${page})
    add_dependencies(wt_report page)
  else()
    message(STATUS "No Node 20 or newer with npm: the program is built without the page of 'wildtype report'")
  endif()
endif()

set(WT_PAGE_BUILT "${page}")
if(page)
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/report/page_embedded.c PROPERTIES COMPILE_DEFINITIONS "WT_PAGE_FILE=\"${page}\""
                              OBJECT_DEPENDS ${page})
endif()
