// SPDX-License-Identifier: Apache-2.0
#include "train/order.h"

tn_rng tr_rng(uint64_t seed, tr_stream stream, int64_t at) {
    TN_CHECK(at >= 0 && at < (int64_t)1 << 56, "stream at %lld", (long long)at);
    return tn_rng_new(seed, (uint64_t)stream << 56 | (uint64_t)at);
}

tn_status tr_order_init(tr_order *order, uint64_t seed, int64_t count, tn_error *err) {
    TN_CHECK(count >= 1 && count <= INT32_MAX, "%lld pictures", (long long)count);
    *order = (tr_order){seed, count, -1, tn_alloc((size_t)count * sizeof *order->index)};
    if (order->index) return TN_OK;
    return tn_fail(err, TN_ENOMEM, "out of memory for the order of %lld pictures",
                   (long long)count);
}

void tr_order_deinit(tr_order *order) {
    tn_free(order->index);
    *order = (tr_order){0};
}

// Fisher and Yates: every permutation is equally likely.
static void make_epoch(tr_order *order, int64_t epoch) {
    tn_rng rng = tr_rng(order->seed, TR_STREAM_ORDER, epoch);
    for (int64_t i = 0; i < order->count; i++) order->index[i] = (int32_t)i;
    for (int64_t i = order->count - 1; i > 0; i--) {
        int64_t other = tn_rng_below(&rng, i + 1);
        int32_t swap = order->index[i];
        order->index[i] = order->index[other], order->index[other] = swap;
    }
    order->epoch = epoch;
}

int64_t tr_order_at(tr_order *order, int64_t position) {
    TN_CHECK(position >= 0, "position %lld", (long long)position);
    if (order->epoch != position / order->count) make_epoch(order, position / order->count);
    return order->index[position % order->count];
}
