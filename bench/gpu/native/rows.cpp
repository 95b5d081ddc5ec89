#include "rows.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace bench {

Request::Request(const std::string& line) {
  std::istringstream fields(line);
  std::string field;
  while (std::getline(fields, field, ';')) {
    const size_t equals = field.find('=');
    if (equals == std::string::npos) stop("a request's field has no value: " + field);
    fields_[field.substr(0, equals)] = field.substr(equals + 1);
  }
}

const std::string& Request::text(const std::string& field) const {
  const auto found = fields_.find(field);
  if (found == fields_.end()) stop("a request lacks " + field);
  return found->second;
}

i64 Request::bytes(const std::string& field) const { return std::stoll(text(field)); }
i32 Request::number(const std::string& field) const { return static_cast<i32>(bytes(field)); }

std::vector<i32> Request::numbers(const std::string& field) const {
  std::vector<i32> values;
  std::istringstream list(text(field));
  std::string value;
  while (std::getline(list, value, ',')) values.push_back(std::stoi(value));
  return values;
}

void print(const Row& row) {
  std::printf("{\"kind\":\"%s\",\"name\":\"%s\",\"medianUs\":%.3f,\"p10Us\":%.3f,\"p90Us\":%.3f",
              row.request.text("kind").c_str(), row.request.text("name").c_str(),
              row.times.median_us, row.times.p10_us, row.times.p90_us);
  if (row.bytes > 0) std::printf(",\"bytes\":%.0f", row.bytes);
  if (row.flops > 0) std::printf(",\"flops\":%.0f", row.flops);
  std::printf(",\"worstError\":%.3g", row.worst_error);
  if (!row.note.empty()) std::printf(",\"note\":\"%s\"", row.note.c_str());
  std::printf("}\n");
  std::fflush(stdout);
}

double relative_error(const std::vector<double>& actual, const std::vector<double>& expected) {
  double squares = 0;
  double worst = 0;
  for (size_t i = 0; i < expected.size(); i++) {
    squares += expected[i] * expected[i];
    const double difference = std::fabs(actual[i] - expected[i]);
    if (!(difference <= worst)) worst = difference;  // keeps a NaN
    if (std::isnan(worst)) return worst;
  }
  return worst / std::sqrt(squares / static_cast<double>(expected.size()));
}

void require_accuracy(const Request& request, double error, double limit) {
  if (error <= limit) return;
  std::ostringstream message;
  message << request.text("kind") << " " << request.text("name") << ": differs by " << error
          << " of the root mean square; " << limit << " is allowed";
  stop(message.str());
}

}  // namespace bench
