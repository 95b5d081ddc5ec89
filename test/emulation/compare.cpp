#include "compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "../native/check.h"

namespace emulation {
namespace {

struct Row {
  int num_cases = 0;
  double worst = 0;  // error as a fraction of the tolerance
  Tolerance tolerance = {0, 0};
  int num_launches = 0;
  u32 dynamic_shared_bytes = 0;  // the most of all launches
};

std::map<std::string, Row>& rows() {
  static std::map<std::string, Row> all;
  return all;
}

// Error as a fraction of what is allowed; infinite where the values cannot be compared.
double error_fraction(double actual, double expected, Tolerance tolerance) {
  if (std::isnan(expected) && std::isnan(actual)) return 0;
  if (std::isinf(expected) || std::isinf(actual)) return actual == expected ? 0 : INFINITY;
  const double error = std::fabs(actual - expected);
  if (error == 0) return 0;
  const double allowed = tolerance.absolute + tolerance.relative * std::fabs(expected);
  const double fraction = error / allowed;
  return std::isnan(fraction) ? INFINITY : fraction;
}

}  // namespace

void check_close(const std::string& kernel, const std::vector<f32>& actual,
                 const std::vector<double>& expected, Tolerance tolerance, const char* file,
                 int line) {
  if (actual.size() != expected.size()) {
    check::fail(
        file, line,
        check::text(kernel, " gave ", actual.size(), " values; expected ", expected.size()));
    return;
  }
  double worst = 0;
  size_t worst_at = 0;
  size_t num_wrong = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double fraction = error_fraction(double(actual[i]), expected[i], tolerance);
    if (fraction > 1) ++num_wrong;
    if (fraction > worst) {
      worst = fraction;
      worst_at = i;
    }
  }
  Row& row = rows()[kernel];
  ++row.num_cases;
  if (worst >= row.worst) {
    row.worst = worst;
    row.tolerance = tolerance;
  }
  if (num_wrong == 0) return;
  check::fail(file, line,
              check::text(kernel, ": ", num_wrong, " of ", actual.size(),
                          " values are out of tolerance; worst is [", worst_at,
                          "] = ", actual[worst_at], ", expected ", expected[worst_at]));
}

void note_exact_case(const std::string& kernel) { ++rows()[kernel].num_cases; }

void note_launch(const std::string& kernel, u32 shared_bytes) {
  Row& row = rows()[kernel];
  ++row.num_launches;
  row.dynamic_shared_bytes = std::max(row.dynamic_shared_bytes, shared_bytes);
}

bool write_report(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fprintf(file, "{");
  const char* separator = "\n";
  for (const auto& [kernel, row] : rows()) {
    std::fprintf(file, "%s  \"%s\": { \"cases\": %d, \"worst\": %.3g, ", separator, kernel.c_str(),
                 row.num_cases, std::isfinite(row.worst) ? row.worst : 1e300);
    std::fprintf(file, "\"absolute\": %g, \"relative\": %g, ", row.tolerance.absolute,
                 row.tolerance.relative);
    std::fprintf(file, "\"launches\": %d, \"dynamicSharedBytes\": %u }", row.num_launches,
                 row.dynamic_shared_bytes);
    separator = ",\n";
  }
  std::fprintf(file, "\n}\n");
  return std::fclose(file) == 0;
}

}  // namespace emulation
