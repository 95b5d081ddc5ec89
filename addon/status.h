#pragma once
// What an op gives back: fine, or a code and a sentence. Codes are ErrorCode names of
// lib/errors.ts.

#include <memory>
#include <string>
#include <utility>

// What a CUDA call gave back; becomes the fields of CudaError in lib/errors.ts.
struct CudaFailure {
  int code;            // CUresult, or cublasStatus_t
  std::string call;    // "cuLaunchKernelEx"
  std::string kernel;  // the one launched, or "" where none was
};

class Status {
 public:
  static Status ok() { return Status(); }
  static Status error(const char* code, std::string message) {
    Status status;
    status.code_ = code;
    status.message_ = std::move(message);
    return status;
  }
  static Status cuda_error(const char* code, std::string message, CudaFailure failure) {
    Status status = error(code, std::move(message));
    status.failure_ = std::make_shared<const CudaFailure>(std::move(failure));
    return status;
  }
  // The same failure, said in other words.
  Status with_message(std::string message) const {
    Status status = *this;
    status.message_ = std::move(message);
    return status;
  }

  bool is_ok() const { return code_ == nullptr; }
  const char* code() const { return code_; }
  const std::string& message() const { return message_; }
  const CudaFailure* cuda_failure() const { return failure_.get(); }  // null: not of CUDA

 private:
  const char* code_ = nullptr;  // static string
  std::string message_;
  std::shared_ptr<const CudaFailure> failure_;
};
