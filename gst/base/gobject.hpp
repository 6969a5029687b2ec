// SPDX-License-Identifier: LGPL-2.1-or-later
/// The bridge between GObject's C vfuncs and the C++ classes behind them.
///
/// An element's instance struct holds one pointer to its C++ object, which offers
/// `static T &from(gpointer instance)`. Vfunc<&T::method>::fn is then a C function to put into a
/// class struct. No exception passes it: what is thrown becomes one error message on the bus.
#pragma once

#include <gst/gst.h>

#include <exception>
#include <type_traits>

#include "base/error.hpp"

namespace cudacam {

/// What a vfunc returns after an exception.
template <class R>
constexpr R failure() {
  if constexpr (std::is_same_v<R, GstFlowReturn>) {
    return GST_FLOW_ERROR;
  } else if constexpr (std::is_same_v<R, GstStateChangeReturn>) {
    return GST_STATE_CHANGE_FAILURE;
  } else if constexpr (!std::is_void_v<R>) {
    return R{};
  }
}

/// Posts `error` on the bus as an error message of `element`.
inline void post_error(gpointer element, const ElementError &error, const char *file, int line) {
  gst_element_message_full(GST_ELEMENT(element), GST_MESSAGE_ERROR, error.domain(), error.code(),
                           g_strdup(error.what()), g_strdup(error.details().c_str()), file, "vfunc",
                           line);
}

/// Runs `body`, which must not let an exception reach C code; on one, posts it and returns failure.
template <class Body>
auto guarded(gpointer element, Body &&body) noexcept -> decltype(body()) {
  using R = decltype(body());
  try {
    return body();
  } catch (const ElementError &error) {
    post_error(element, error, __FILE__, __LINE__);
  } catch (const std::exception &error) {
    post_error(element, ElementError(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, error.what()),
               __FILE__, __LINE__);
  }
  return failure<R>();
}

template <auto Method>
struct Vfunc;

template <class T, class R, class... A, R (T::*Method)(A...)>
struct Vfunc<Method> {
  template <class Instance>
  static R fn(Instance *instance, A... args) noexcept {
    return guarded(instance, [&] { return (T::from(instance).*Method)(args...); });
  }
};

}  // namespace cudacam
