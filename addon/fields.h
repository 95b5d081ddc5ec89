#pragma once
// Reads named fields of the objects that lib/device passes. lib/ has checked meaning and worded the
// messages; a field of the wrong type is a bug there and becomes ERR_NATIVE.

#include <napi.h>

#include <string>
#include <vector>

#include "handles.h"

class Fields {
 public:
  explicit Fields(Napi::Value value) : object_(as_object(value)) {}

  Napi::Env env() const { return object_.Env(); }
  bool has(const char* name) const { return !object_.Get(name).IsUndefined(); }
  Napi::Value value(const char* name) const { return object_.Get(name); }
  Fields object(const char* name) const { return Fields(object_.Get(name)); }

  double number(const char* name) const {
    const Napi::Value value = object_.Get(name);
    if (!value.IsNumber()) refuse(name, "a number");
    return value.As<Napi::Number>().DoubleValue();
  }
  f32 real(const char* name) const { return static_cast<f32>(number(name)); }

  // An integer in [0, max].
  i64 count(const char* name, i64 max = kMaxSafeInteger) const {
    const double found = number(name);
    if (!(found >= 0) || found > static_cast<double>(max)) refuse(name, "a count in its range");
    return static_cast<i64>(found);
  }
  i32 integer(const char* name) const {
    const double found = number(name);
    if (!(found >= -2147483648.0 && found <= 2147483647.0)) refuse(name, "a 32-bit integer");
    return static_cast<i32>(found);
  }
  bool flag(const char* name) const { return object_.Get(name).ToBoolean(); }
  DType dtype(const char* name) const { return static_cast<DType>(count(name, kI32)); }
  DType weight_dtype(const char* name) const { return static_cast<DType>(count(name, kInt4)); }
  std::string text(const char* name) const {
    const Napi::Value value = object_.Get(name);
    if (!value.IsString()) refuse(name, "a string");
    return value.As<Napi::String>();
  }

  // Elements of a typed array, copied; empty where the field is left out.
  template <class TypedArray, class Element>
  std::vector<Element> elements(const char* name, napi_typedarray_type type) const {
    const Napi::Value value = object_.Get(name);
    if (value.IsUndefined()) return {};
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
      refuse(name, "a typed array of its kind");
    }
    const TypedArray array = value.As<TypedArray>();
    return std::vector<Element>(array.Data(), array.Data() + array.ElementLength());
  }
  std::vector<i32> integers(const char* name) const {
    return elements<Napi::Int32Array, i32>(name, napi_int32_array);
  }
  std::vector<f32> reals(const char* name) const {
    return elements<Napi::Float32Array, f32>(name, napi_float32_array);
  }

  [[noreturn]] void refuse(const char* name, const char* expected) const {
    throw_error(env(), "ERR_NATIVE", std::string(name) + " is not " + expected);
  }

  static constexpr i64 kMaxSafeInteger = 9007199254740991;  // largest that a double counts

 private:
  static Napi::Object as_object(Napi::Value value) {
    if (!value.IsObject()) throw_error(value.Env(), "ERR_NATIVE", "a parameter is no object");
    return value.As<Napi::Object>();
  }

  Napi::Object object_;
};

// Parameter `index` of a binding as an array buffer.
inline Napi::ArrayBuffer array_buffer(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsArrayBuffer()) {
    throw_error(info.Env(), "ERR_NATIVE",
                "parameter " + std::to_string(index) + " is no ArrayBuffer");
  }
  return info[index].As<Napi::ArrayBuffer>();
}

// Parameter `index` of a binding as a completion id or another unsigned number.
inline u32 unsigned_number(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsNumber()) {
    throw_error(info.Env(), "ERR_NATIVE", "parameter " + std::to_string(index) + " is no number");
  }
  return info[index].As<Napi::Number>().Uint32Value();
}
