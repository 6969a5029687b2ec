/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The checksum over a picture, for the GPU and for the processor: a sum of weighed words, so that
 * any number of threads can add to it in any order. The weights are odd: one changed word, wherever
 * it is, always changes the sum. */
#pragma once

#ifdef __CUDACC__
#define PICTURE_SUM_FUNCTION __device__ __forceinline__
#else
#define PICTURE_SUM_FUNCTION inline
#endif

/* `word`: 4 bytes of a row, the first one lowest, with zeros where the row ends. */
PICTURE_SUM_FUNCTION unsigned long long weighed_word(unsigned word, unsigned plane, unsigned row,
                                                     unsigned column) {
  const unsigned long long place =
      ((unsigned long long)plane << 40) | ((unsigned long long)row << 20) | column;
  return (word + 0x9e3779b9ull) * ((2 * place + 1) * 0x9e3779b97f4a7c15ull);
}

PICTURE_SUM_FUNCTION unsigned word_of_row(const unsigned char *row, unsigned column,
                                          unsigned row_bytes) {
  unsigned word = 0;
  for (unsigned i = 0; i < 4 && column * 4 + i < row_bytes; ++i)
    word |= (unsigned)row[column * 4 + i] << (8 * i);
  return word;
}
