# What the program needs besides its sources: the built-in model, and the man pages, which it writes itself.
set(WT_SEEDLING_FILE ${CMAKE_SOURCE_DIR}/data/seedling.gguf)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/cli/source.c PROPERTIES
                            COMPILE_DEFINITIONS "WT_SEEDLING_FILE=\"${WT_SEEDLING_FILE}\""
                            OBJECT_DEPENDS ${WT_SEEDLING_FILE})

find_package(Threads REQUIRED)
target_link_libraries(wildtype PRIVATE Threads::Threads)

include(GNUInstallDirs)
install(TARGETS wildtype RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS wildtype_lib ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_SOURCE_DIR}/include/wildtype.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# A program for another machine cannot be run here; its man pages come from a native build.
if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
  set(man_folder ${CMAKE_BINARY_DIR}/man)
  file(MAKE_DIRECTORY ${man_folder})
  set(man_pages ${man_folder}/wildtype.1)
  add_custom_command(OUTPUT ${man_folder}/wildtype.1 COMMAND wildtype help --man > ${man_folder}/wildtype.1
                     DEPENDS wildtype VERBATIM)
  file(GLOB command_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/cmd_*.c)
  foreach(source ${command_sources})
    get_filename_component(command ${source} NAME_WE)
    string(REGEX REPLACE "^cmd_" "" command ${command})
    set(page ${man_folder}/wildtype-${command}.1)
    add_custom_command(OUTPUT ${page} COMMAND wildtype help --man ${command} > ${page} DEPENDS wildtype VERBATIM)
    list(APPEND man_pages ${page})
  endforeach()
  add_custom_target(man ALL DEPENDS ${man_pages})
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
