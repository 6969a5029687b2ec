/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

#include "export.h"

G_BEGIN_DECLS

/**
 * GST_CUDA_CAM_QUERY_OUTSTANDING:
 *
 * Name of the query that asks which frames are in use, as their reference counts tell. cudacampool
 * and cudacamsink each add what they know and pass the query on; send it to a sink
 * (gst_element_query()) to ask that sink and the pool upstream of it.
 *
 * The query's structure has one field, `frames`, an array (#GST_TYPE_ARRAY) of structures `frame`:
 *
 * - `element` (string): who added it
 * - `memory` (uint64): what it is about: the same for the same slot in all entries
 * - `memory-references` (uint): buffers and others that refer to the memory
 * - `buffer-references` (uint, only from sinks): of the buffer: one of the sink, one of each lease
 *   on it; more are of others
 * - `holder` (string, only from sinks): who has the lease
 * - `revoked` (boolean, only from sinks): whether the lease was revoked
 *
 * A pool adds each slot that is not free, a sink each lease that was not released. A slot that only
 * the pool tells of is on its way, waits in a sink for a reader, or is kept by somebody who has no
 * lease. The counts are those of one moment and may have changed when the answer is read.
 */
#define GST_CUDA_CAM_QUERY_OUTSTANDING "cudacam-outstanding"

/**
 * GstCudaCamOutstanding: (skip)
 * @element: name of the element that tells
 * @memory: identifies the slot
 * @memory_references: references to the memory
 * @buffer_references: references to the buffer, from sinks; 0 from pools
 * @holder: (nullable): holder of the lease, from sinks; %NULL from pools
 * @revoked: whether the lease was revoked
 *
 * One entry of the answer. The strings are valid as long as the query is unchanged.
 *
 * Since: 0.1
 */
typedef struct {
  const gchar *element;
  guint64 memory;
  guint memory_references;
  guint buffer_references;
  const gchar *holder;
  gboolean revoked;

  /*< private >*/
  gpointer _reserved[4];
} GstCudaCamOutstanding;

/**
 * gst_cuda_cam_query_new_outstanding:
 *
 * Returns: (transfer full): a query without entries
 */
GST_CUDA_CAM_API GstQuery *gst_cuda_cam_query_new_outstanding(void);

/**
 * gst_cuda_cam_query_is_outstanding:
 * @query: (transfer none): any query
 *
 * Returns: whether @query is one
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_query_is_outstanding(GstQuery *query);

/**
 * gst_cuda_cam_query_add_outstanding: (skip)
 * @query: (transfer none): such a query, writable
 * @frame: an entry, copied
 *
 * For elements that answer.
 */
GST_CUDA_CAM_API void gst_cuda_cam_query_add_outstanding(GstQuery *query,
                                                         const GstCudaCamOutstanding *frame);

/**
 * gst_cuda_cam_query_get_n_outstanding:
 * @query: (transfer none): such a query
 *
 * Returns: how many entries it has
 */
GST_CUDA_CAM_API guint gst_cuda_cam_query_get_n_outstanding(GstQuery *query);

/**
 * gst_cuda_cam_query_parse_nth_outstanding: (skip)
 * @query: (transfer none): such a query
 * @index: which entry, from 0
 * @frame: (out caller-allocates): the entry
 *
 * Returns: whether there is such an entry; @frame is set only then
 */
GST_CUDA_CAM_API gboolean gst_cuda_cam_query_parse_nth_outstanding(GstQuery *query, guint index,
                                                                   GstCudaCamOutstanding *frame);

G_END_DECLS
