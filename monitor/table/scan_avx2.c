/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/scan.h"
#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline uint64_t bits(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2 void scan_avx2(const char *text, size_t from, size_t to, char delimiter, struct scan_masks *m)
{
	const __m256i d = _mm256_set1_epi8(delimiter), q = _mm256_set1_epi8('"');
	const __m256i n = _mm256_set1_epi8('\n'), r = _mm256_set1_epi8('\r'), zero = _mm256_setzero_si256();
	__m256i nul = zero;

	for (size_t block = from; block < to; block++) {
		const char *p = text + block * SCAN_BLOCK;
		__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
		__m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
		uint64_t lines = bits(_mm256_or_si256(_mm256_cmpeq_epi8(a, n), _mm256_cmpeq_epi8(a, r)),
				      _mm256_or_si256(_mm256_cmpeq_epi8(b, n), _mm256_cmpeq_epi8(b, r)));

		m->lines[block] = lines;
		m->marks[block] = lines | bits(_mm256_cmpeq_epi8(a, d), _mm256_cmpeq_epi8(b, d));
		m->quotes[block] = bits(_mm256_cmpeq_epi8(a, q), _mm256_cmpeq_epi8(b, q));
		nul = _mm256_or_si256(nul, _mm256_cmpeq_epi8(_mm256_min_epu8(a, b), zero));
	}
	if (_mm256_movemask_epi8(nul))
		m->nul = true;
}

bool scan_has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#else
void scan_avx2(const char *text, size_t from, size_t to, char delimiter, struct scan_masks *m)
{
	scan_bytewise(text, from, to, delimiter, m);
}

bool scan_has_avx2(void)
{
	return false;
}
#endif
