// Statements of others are read by doctor as they are, cut off anywhere.

#include <cstddef>
#include <cstdint>
#include <string>

#include "reconcilers/statement.h"

using namespace partition_controller;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string sql(data, data + size);
  for (const Statement& statement : Statement::AllIn(sql)) {
    statement.Read();
    statement.Divided();
    statement.Detached();
    statement.Dropped();
    statement.Truncated();
    statement.DeletedFrom();
    statement.BoundOf("ts", "timestamp with time zone");
    statement.MayEndEarly("ts");
    statement.SelectsOld("ts", "date");
  }
  return 0;
}
