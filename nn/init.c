// SPDX-License-Identifier: Apache-2.0
#include "nn/init.h"

#include "nn/real.h"
#include "tensor/rng.h"

#include <math.h>

// FNV-1a (Fowler, Noll, Vo): one stream per name.
static uint64_t hash_of(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

static double fan(const tn_tensor *w, bool in) {
    TN_CHECK(w->rank >= 2, "a weight of rank %d has no fan", w->rank);
    double field = (double)tn_count(w) / ((double)w->dim[0] * (double)w->dim[1]);
    return field * (double)w->dim[in ? 1 : 0];
}

void nn_init_fill(nn_init init, uint64_t seed, const char *name, tn_tensor *w) {
    tn_rng rng = tn_rng_new(seed, hash_of(name));
    int64_t count = tn_count(w);
    if (count == 0) return;
    double value = init.value;
    if (init.kind == NN_INIT_KAIMING_UNIFORM)
        value = sqrt(6 / ((1 + init.value * init.value) * fan(w, true)));
    if (init.kind == NN_INIT_KAIMING_NORMAL_OUT) value = sqrt(2 / fan(w, false));
    for (int64_t i = 0; i < count; i++) switch (init.kind) {
        case NN_INIT_CONSTANT:
            nn_real_set(w, i, value);
            break;
        case NN_INIT_KAIMING_UNIFORM:
            nn_real_set(w, i, tn_rng_uniform(&rng, -value, value));
            break;
        case NN_INIT_NORMAL:
        case NN_INIT_KAIMING_NORMAL_OUT:
            nn_real_set(w, i, value * tn_rng_normal(&rng));
            break;
        }
}
