// SPDX-License-Identifier: LGPL-2.1-or-later
/// Tells ThreadSanitizer of GLib's mutexes and of objects' references, for tests that are built
/// with it.
///
/// GMutex and GCond are made of futexes, and GLib and GStreamer are not instrumented:
/// ThreadSanitizer does not see what they order, and calls it a race when a queue hands a query or
/// a buffer to another thread. These functions are found before GLib's own, do what those do, and
/// say so. GRecMutex and GRWLock are made of pthread's, which ThreadSanitizer knows. Who gives up
/// the last reference to an object ends it after all who gave up theirs before.
#include <dlfcn.h>
#include <glib-object.h>
#include <sanitizer/tsan_interface.h>

#define CUDACAM_INTERPOSED extern "C" __attribute__((visibility("default")))

namespace {

template <class Function>
Function *glib(Function *, const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

}  // namespace

CUDACAM_INTERPOSED void g_mutex_lock(GMutex *mutex) {
  static auto *const real = glib(&g_mutex_lock, "g_mutex_lock");
  real(mutex);
  __tsan_acquire(mutex);
}

CUDACAM_INTERPOSED gboolean g_mutex_trylock(GMutex *mutex) {
  static auto *const real = glib(&g_mutex_trylock, "g_mutex_trylock");
  const auto locked = real(mutex);
  if (locked) __tsan_acquire(mutex);
  return locked;
}

CUDACAM_INTERPOSED void g_mutex_unlock(GMutex *mutex) {
  static auto *const real = glib(&g_mutex_unlock, "g_mutex_unlock");
  __tsan_release(mutex);
  real(mutex);
}

CUDACAM_INTERPOSED void g_cond_wait(GCond *cond, GMutex *mutex) {
  static auto *const real = glib(&g_cond_wait, "g_cond_wait");
  __tsan_release(mutex);
  real(cond, mutex);
  __tsan_acquire(mutex);
}

CUDACAM_INTERPOSED gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time) {
  static auto *const real = glib(&g_cond_wait_until, "g_cond_wait_until");
  __tsan_release(mutex);
  const auto woken = real(cond, mutex, end_time);
  __tsan_acquire(mutex);
  return woken;
}

CUDACAM_INTERPOSED void g_object_unref(gpointer object) {
  static auto *const real = glib(&g_object_unref, "g_object_unref");
  __tsan_release(object);
  __tsan_acquire(object);
  real(object);
}
