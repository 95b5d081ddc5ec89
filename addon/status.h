#pragma once
// What an op gives back: fine, or a code and a sentence. Codes are ErrorCode names of
// lib/errors.ts.

#include <string>
#include <utility>

class Status {
 public:
  static Status ok() { return Status(); }
  static Status error(const char* code, std::string message) {
    Status status;
    status.code_ = code;
    status.message_ = std::move(message);
    return status;
  }

  bool is_ok() const { return code_ == nullptr; }
  const char* code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  const char* code_ = nullptr;  // static string
  std::string message_;
};
