// SPDX-License-Identifier: LGPL-2.1-or-later
#include "examiner.hpp"

#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "gpu-examiner.hpp"
#include "picture-sum.h"
#include "simulated-gpu.hpp"

namespace cudacam::soak {
namespace {

std::vector<GstCudaCamPlane> planes_of(GstCudaCamLease *lease) {
  std::vector<GstCudaCamPlane> planes;
  GstCudaCamPlane plane;
  while (gst_cuda_cam_lease_get_plane(lease, static_cast<guint>(planes.size()), &plane))
    planes.push_back(plane);
  if (planes.empty()) throw std::runtime_error("a leased frame has no planes");
  return planes;
}

Look look_here(const std::vector<GstCudaCamPlane> &planes) {
  Look look;
  const auto row_of = [](const GstCudaCamPlane &plane, guint row) {
    return reinterpret_cast<const std::uint8_t *>(plane.address) + row * plane.pitch;
  };
  look.reading = test::read_frame_number(
      {row_of(planes[0], 0), static_cast<ptrdiff_t>(planes[0].pitch),
       static_cast<int>(planes[0].row_bytes), static_cast<int>(planes[0].rows)});
  for (unsigned p = 0; p < planes.size(); ++p)
    for (guint row = 0; row < planes[p].rows; ++row)
      for (unsigned column = 0; column * 4 < planes[p].row_bytes; ++column)
        look.sum += weighed_word(
            word_of_row(row_of(planes[p], row), column, static_cast<unsigned>(planes[p].row_bytes)),
            p, row, column);
  return look;
}

std::string own_folder() {
  char path[4096];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return ".";
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

}  // namespace

Examiner::Examiner(std::string kernels) : kernels_(std::move(kernels)) {
}

Examiner::~Examiner() = default;

GpuExaminer &Examiner::gpu(GstCudaCamLease *lease) {
  if (!gpu_) gpu_ = std::make_unique<GpuExaminer>(gst_cuda_cam_lease_get_buffer(lease), kernels_);
  return *gpu_;
}

Look Examiner::look(GstCudaCamLease *lease, bool release) {
  const auto planes = planes_of(lease);
  if (planes[0].on_gpu) return gpu(lease).look(lease, planes, release);
  const Look look = look_here(planes);
  if (release) gst_cuda_cam_lease_release(lease);
  return look;
}

void Examiner::spoil(GstCudaCamLease *lease) {
  const GstCudaCamPlane plane = planes_of(lease).back();
  if (plane.on_gpu)
    gpu(lease).spoil(plane);
  else
    *reinterpret_cast<std::uint8_t *>(plane.address) ^= 1;
}

std::string find_kernels() {
  if (const char *given = std::getenv("CUDACAM_SOAK_KERNELS")) return given;
  return own_folder() + (test::gpu_is_simulated() ? "/soak-kernels-host.so" : "/soak-kernels.ptx");
}

}  // namespace cudacam::soak
