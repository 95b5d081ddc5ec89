#pragma once
// A test runner in one file, because CI machines may lack any other: TEST registers a sentence that
// is true when it passes, CHECK notes a failure and goes on.

#include <functional>
#include <sstream>
#include <string>

namespace check {

void register_test(const char* sentence, void (*body)());
// Prints the failure and counts it against the running test; at most 20 lines per test.
void fail(const char* file, int line, const std::string& message);

struct Registration {
  Registration(const char* sentence, void (*body)()) { register_test(sentence, body); }
};

// What was being checked, printed with a failure; set by tests that loop over cases.
class Case {
 public:
  explicit Case(const std::string& description);
  ~Case();
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
};

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)
#define TEST(sentence)                                                       \
  static void CHECK_JOIN(test_body_, __LINE__)();                            \
  static const check::Registration CHECK_JOIN(test_registration_, __LINE__)( \
      sentence, CHECK_JOIN(test_body_, __LINE__));                           \
  static void CHECK_JOIN(test_body_, __LINE__)()

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) check::fail(__FILE__, __LINE__, "not so: " #condition); \
  } while (false)

#define CHECK_EQUAL(actual, expected)                                                         \
  do {                                                                                        \
    const auto check_actual = (actual);                                                       \
    const auto check_expected = (expected);                                                   \
    if (!(check_actual == check_expected)) {                                                  \
      check::fail(__FILE__, __LINE__,                                                         \
                  check::text(#actual, " is ", check_actual, "; expected ", check_expected)); \
    }                                                                                         \
  } while (false)
