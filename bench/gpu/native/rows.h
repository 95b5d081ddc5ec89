#pragma once
// The rows of the GPU benchmark. Each verifies what it timed, prints one line of JSON, and ends the
// program when the result is wrong.

#include <map>
#include <string>

#include "gpu.h"

namespace bench {

// One requested row: fields by name, as bench/gpu/requests.mjs writes them.
class Request {
 public:
  // "kind=decode;name=32x4k;block=16;lengths=4096,4096"
  explicit Request(const std::string& line);

  const std::string& text(const std::string& field) const;
  i32 number(const std::string& field) const;
  i64 bytes(const std::string& field) const;
  std::vector<i32> numbers(const std::string& field) const;
  bool has(const std::string& field) const { return fields_.count(field) > 0; }

 private:
  std::map<std::string, std::string> fields_;
};

// Prints a row: the request's kind and name, times, and amounts of work where they are not 0.
struct Row {
  const Request& request;
  Times times;
  double bytes = 0;
  double flops = 0;
  double worst_error = 0;  // of what was verified, in units of the reference's root mean square
  std::string note = {};
};
void print(const Row& row);

// Largest difference in units of the reference's root mean square; NaN where either has one.
double relative_error(const std::vector<double>& actual, const std::vector<double>& expected);
// Ends the program when the error is past `limit`, or NaN.
void require_accuracy(const Request& request, double error, double limit);

void run_ceiling(Gpu& gpu, const Request& request);      // ceilings.cpp
void run_attention(Gpu& gpu, const Request& request);    // attention_rows.cpp
void run_matmul(Gpu& gpu, const Request& request);       // matmul_rows.cpp
void run_copy_blocks(Gpu& gpu, const Request& request);  // memory_rows.cpp
void run_rope(Gpu& gpu, const Request& request);         // memory_rows.cpp
void run_transfer(Gpu& gpu, const Request& request);     // memory_rows.cpp
void run_step(Gpu& gpu, const Request& request);         // step_rows.cpp

}  // namespace bench
