// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/holder.h"

#include <atomic>
#include <string>

#include "base/ptr.hpp"

struct _GstCudaCamHolder {
  std::atomic<int> references{1};
  const cudacam::ObjectPtr<GstCudaCamLender> lender;
  const std::string name;

  _GstCudaCamHolder(GstCudaCamLender *whose, const char *called)
      : lender(cudacam::share(whose)), name(called) {}
};

G_DEFINE_BOXED_TYPE(GstCudaCamHolder, gst_cuda_cam_holder, gst_cuda_cam_holder_ref,
                    gst_cuda_cam_holder_unref)

GType gst_cuda_cam_holder_mode_get_type(void) {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {GST_CUDA_CAM_HOLDER_MODE_LATEST, "GST_CUDA_CAM_HOLDER_MODE_LATEST", "latest"},
        {GST_CUDA_CAM_HOLDER_MODE_EVERY, "GST_CUDA_CAM_HOLDER_MODE_EVERY", "every"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("GstCudaCamHolderMode", values);
  }();
  return type;
}

GstCudaCamHolder *gst_cuda_cam_holder_new(GstCudaCamLender *lender, const gchar *name,
                                          GstCudaCamHolderMode mode, guint queue_size,
                                          GError **error) {
  g_return_val_if_fail(GST_IS_CUDA_CAM_LENDER(lender), nullptr);
  g_return_val_if_fail(name && *name, nullptr);
  const bool every = mode == GST_CUDA_CAM_HOLDER_MODE_EVERY;
  g_return_val_if_fail(!every || queue_size > 0, nullptr);
  g_return_val_if_fail(!error || !*error, nullptr);
  auto *iface = GST_CUDA_CAM_LENDER_GET_IFACE(lender);
  if (!iface->add_holder(lender, name, every ? queue_size : 0, error)) return nullptr;
  return new GstCudaCamHolder(lender, name);
}

GstCudaCamHolder *gst_cuda_cam_holder_ref(GstCudaCamHolder *holder) {
  g_return_val_if_fail(holder, nullptr);
  holder->references.fetch_add(1, std::memory_order_relaxed);
  return holder;
}

void gst_cuda_cam_holder_unref(GstCudaCamHolder *holder) {
  g_return_if_fail(holder);
  if (holder->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  auto *lender = holder->lender.get();
  GST_CUDA_CAM_LENDER_GET_IFACE(lender)->remove_holder(lender, holder->name.c_str());
  delete holder;
}

GstCudaCamLease *gst_cuda_cam_holder_acquire(GstCudaCamHolder *holder, GstClockTime timeout,
                                             GError **error) {
  g_return_val_if_fail(holder, nullptr);
  return gst_cuda_cam_lender_acquire(holder->lender.get(), holder->name.c_str(), timeout, error);
}

const gchar *gst_cuda_cam_holder_get_name(GstCudaCamHolder *holder) {
  g_return_val_if_fail(holder, nullptr);
  return holder->name.c_str();
}
