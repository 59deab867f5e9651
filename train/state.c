// SPDX-License-Identifier: Apache-2.0
#include "train/state.h"

#include "train/muon.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PART_NAME (NN_NAME + 16) // "average/" and a parameter's name

static int64_t end_of(const nn_param *p) {
    return p->offset + tn_count(&p->value);
}

static bool is_muons(const tr_optimizer *o, const nn_param *p) {
    if (!o || !o->muon || p->value.rank < 2 || !strstr(p->name, o->muon)) return false;
    return !o->not_muon || !strstr(p->name, o->not_muon);
}

// Each parameter that Muon updates has its own span. optimizer: NULL for AdamW only.
static void find_spans(tr_trained *t, const tr_optimizer *optimizer) {
    t->flat.span_count = 0;
    for (int i = 0; i < t->params->count; i++) {
        const nn_param *p = t->params->param[i];
        tr_span *last = t->flat.span_count ? &t->spans[t->flat.span_count - 1] : NULL;
        int64_t count = tn_count(&p->value), rows = p->value.dim[0];
        if (is_muons(optimizer, p))
            t->spans[t->flat.span_count++] =
                (tr_span){p->offset, count, p->decay, rows, count / rows};
        else if (last && last->decay == p->decay && !last->rows)
            last->count = end_of(p) - last->from;
        else
            t->spans[t->flat.span_count++] =
                (tr_span){.from = p->offset, .count = count, .decay = p->decay};
    }
    t->flat.spans = t->spans;
}

static void find_modules(tr_trained *t) {
    for (int i = 0; i < t->params->count; i++) {
        const nn_param *p = t->params->param[i];
        size_t length = strcspn(p->name, ".");
        tr_module *last = t->module_count ? &t->modules[t->module_count - 1] : NULL;
        if (length >= sizeof last->name) length = sizeof last->name - 1;
        if (last && !strncmp(last->name, p->name, length) && !last->name[length]) {
            last->count = end_of(p) - last->from;
            continue;
        }
        tr_module *fresh = &t->modules[t->module_count++];
        *fresh = (tr_module){.from = p->offset, .count = tn_count(&p->value)};
        memcpy(fresh->name, p->name, length);
        snprintf(fresh->norm_name, sizeof fresh->norm_name, "norm.%s", fresh->name);
    }
}

static void add_part(tr_trained *t, const char *kind, const char *name, tn_tensor tensor) {
    char *full = t->names + t->checkpoint.part_count * PART_NAME;
    snprintf(full, PART_NAME, "%s/%s", kind, name);
    t->parts[t->checkpoint.part_count++] = (tr_part){full, tensor};
}

static void name_parts(tr_trained *t) {
    for (int i = 0; i < t->params->count; i++) {
        const nn_param *p = t->params->param[i];
        add_part(t, "value", p->name, p->value);
        add_part(t, "m", p->name, p->m);
        add_part(t, "v", p->name, p->v);
        if (!t->average.data) continue;
        tn_tensor average = p->value;
        average.data = (char *)t->average.data + (size_t)p->offset * tn_dtype_size(p->value.dtype);
        add_part(t, "average", p->name, average);
    }
    for (int i = 0; i < t->params->buffers; i++)
        add_part(t, "buffer", t->params->buffer[i]->name, t->params->buffer[i]->value);
    t->checkpoint.parts = t->parts;
}

static tn_status allocate(tr_trained *t, bool average, tn_error *err) {
    size_t count = (size_t)t->params->count, parts = 4 * count + (size_t)t->params->buffers;
    t->spans = tn_alloc_zero(count + 1, sizeof *t->spans);
    t->modules = tn_alloc_zero(count + 1, sizeof *t->modules);
    t->parts = tn_alloc_zero(parts + 1, sizeof *t->parts);
    t->names = tn_alloc_zero(parts + 1, PART_NAME);
    if (!t->spans || !t->modules || !t->parts || !t->names)
        return tn_fail(err, TN_ENOMEM, "out of memory for the state of a run");
    if (!average) return TN_OK;
    TN_TRY(
        tn_new_heap(&t->average, t->flat.value.dtype, t->flat.value.rank, t->flat.value.dim, err));
    memcpy(t->average.data, t->flat.value.data, tn_bytes(&t->average));
    return TN_OK;
}

tn_status tr_trained_init(tr_trained *t, nn_params *params, bool average,
                          const io_text_pair *settings, size_t setting_count, tn_error *err) {
    *t = (tr_trained){.params = params};
    t->flat = (tr_flat){.value = nn_params_flat(params, NN_VALUE),
                        .grad = nn_params_flat(params, NN_GRAD),
                        .m = nn_params_flat(params, NN_M),
                        .v = nn_params_flat(params, NN_V)};
    t->checkpoint.settings = settings;
    t->checkpoint.setting_count = setting_count;
    tn_status status = allocate(t, average, err);
    if (status != TN_OK) {
        tr_trained_deinit(t);
        return status;
    }
    find_spans(t, NULL);
    find_modules(t);
    name_parts(t);
    return TN_OK;
}

tn_status tr_trained_use_muon(tr_trained *t, const tr_optimizer *optimizer, tn_error *err) {
    int64_t max = 0;
    find_spans(t, optimizer);
    for (size_t i = 0; i < t->flat.span_count; i++) {
        int64_t need = tr_muon_scratch(t->spans[i].rows, t->spans[i].columns);
        if (need > max) max = need;
    }
    return max ? tn_new_heap(&t->flat.scratch, t->flat.value.dtype, TN_DIMS(max), err) : TN_OK;
}

void tr_trained_deinit(tr_trained *t) {
    tn_free(t->spans);
    tn_free(t->modules);
    tn_free(t->parts);
    tn_free(t->names);
    tn_free(t->average.data);
    tn_free(t->flat.scratch.data);
    *t = (tr_trained){0};
}

const char *tr_trained_bad_gradient(const tr_trained *t, kn_ctx *kn) {
    for (int i = 0; i < t->params->count; i++)
        if (!isfinite(kn_sum_squares(kn, &t->params->param[i]->grad)))
            return t->params->param[i]->name;
    return NULL;
}

const char *tr_trained_bad_part(const tr_trained *t, kn_ctx *kn) {
    for (size_t i = 0; i < t->checkpoint.part_count; i++)
        if (!isfinite(kn_sum_squares(kn, &t->checkpoint.parts[i].tensor)))
            return t->checkpoint.parts[i].name;
    return NULL;
}

double tr_module_norm(const tr_trained *t, kn_ctx *kn, const tr_module *module) {
    tn_tensor part = tn_slice(&t->flat.grad, module->from, module->count);
    return sqrt(kn_sum_squares(kn, &part));
}

void tr_trained_swap_average(tr_trained *t) {
    char spare[4096], *a = t->average.data, *b = t->flat.value.data;
    for (size_t left = tn_bytes(&t->average), part; left; left -= part, a += part, b += part) {
        part = left < sizeof spare ? left : sizeof spare;
        memcpy(spare, a, part);
        memcpy(a, b, part);
        memcpy(b, spare, part);
    }
}
