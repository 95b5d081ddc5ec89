#include "context.h"

namespace cuda {

Context::Context(std::shared_ptr<const Driver> driver)
    : driver_(std::move(driver)), health_(*driver_) {}

Context::~Context() {
  if (context_ == nullptr) return;
  driver_->ctx_set_current(nullptr);
  driver_->primary_ctx_release(device_);
}

std::unique_ptr<Context> Context::open(std::shared_ptr<const Driver> driver, i32 index,
                                       std::vector<std::string>* tries, Status* status) {
  i32 count = 0;
  const CuResult result = driver->device_get_count(&count);
  if (result != kCuSuccess || index < 0 || index >= count) {
    tries->push_back("GPU " + std::to_string(index) + ": the driver has " + std::to_string(count) +
                     (count == 1 ? " GPU" : " GPUs"));
    *status = Status::error("ERR_CUDA_UNAVAILABLE", tries->back());
    return nullptr;
  }
  std::unique_ptr<Context> context(new Context(std::move(driver)));
  *status = context->retain(index);
  if (status->is_ok()) *status = context->read_attributes();
  if (!status->is_ok()) {
    tries->push_back("GPU " + std::to_string(index) + ": " + status->message());
    return nullptr;
  }
  tries->push_back("GPU " + std::to_string(index) + ": " + context->name_ +
                   ", compute capability " + std::to_string(context->gpu_.major) + "." +
                   std::to_string(context->gpu_.minor));
  return context;
}

Status Context::retain(i32 index) {
  Status status = check(driver_->device_get(&device_, index), "cuDeviceGet");
  if (!status.is_ok()) return status;
  status = check(driver_->primary_ctx_retain(&context_, device_), "cuDevicePrimaryCtxRetain");
  return status.is_ok() ? enter() : status;
}

Status Context::read_attributes() {
  char name[256] = "";
  Status status = check(driver_->device_get_name(name, sizeof name, device_), "cuDeviceGetName");
  if (!status.is_ok()) return status;
  name_ = name;

  i32 l2_bytes = 0;
  i32 has_unified_addresses = 0;
  const struct {
    CuDeviceAttribute attribute;
    i32* value;
  } wanted[] = {{kCuMultiprocessorCount, &gpu_.num_sms},
                {kCuMaxSharedPerBlockOptin, &gpu_.max_shared_bytes},
                {kCuMaxSharedPerMultiprocessor, &gpu_.shared_bytes_per_sm},
                {kCuCapabilityMajor, &gpu_.major},
                {kCuCapabilityMinor, &gpu_.minor},
                {kCuL2CacheSize, &l2_bytes},
                {kCuUnifiedAddressing, &has_unified_addresses}};
  for (const auto& [attribute, value] : wanted) {
    status =
        check(driver_->device_get_attribute(value, attribute, device_), "cuDeviceGetAttribute");
    if (!status.is_ok()) return status;
  }
  gpu_.l2_bytes = l2_bytes;
  if (has_unified_addresses == 0) {  // kernels read pinned host memory by the host's addresses
    return Status::error("ERR_UNSUPPORTED_GPU", name_ + " has no unified addresses");
  }
  return check(driver_->mem_get_info(&free_bytes_, &total_bytes_), "cuMemGetInfo");
}

Status Context::enter() {
  if (health_.is_lost()) return health_.status();
  return check(driver_->ctx_set_current(context_), "cuCtxSetCurrent");
}

}  // namespace cuda
