// SPDX-License-Identifier: LGPL-2.1-or-later
/// Stands in for cuda-backend.cpp in a build without the CUDA headers.
#include "base/error.hpp"
#include "pool/backend.hpp"

namespace cudacam {

struct CudaSide::Impl {};

CudaSide::CudaSide(GstElement *) {
}
CudaSide::~CudaSide() = default;
void CudaSide::set_context(GstContext *, gint) {
}
bool CudaSide::answer(GstQuery *) {
  return false;
}
void CudaSide::close() {
}

std::shared_ptr<Backend> CudaSide::open(gint) {
  throw ElementError(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                     "CUDA memory cannot be used: this plugin was built without the CUDA headers. "
                     "Install the CUDA Toolkit and rebuild with -Dcuda=enabled.");
}

}  // namespace cudacam
