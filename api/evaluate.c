// SPDX-License-Identifier: Apache-2.0
// COCO's evaluation of a file of results.
#include "api/internal.h"
#include "eval/cocoeval.h"

#include <string.h>

static tn_status evaluate(const char *annotations, const char *results, bool masks, tn_pool *pool,
                          lexmask_figures *out, tn_error *err) {
    ev_coco coco = {0};
    ev_coco_options options = {.masks = masks};
    TN_TRY(ev_coco_evaluate_files(annotations, results, &options, pool, &coco, err));
    const double *s = coco.stats;
    lexmask_figures figures = {.ap = s[0],
                               .ap50 = s[1],
                               .ap75 = s[2],
                               .ap_small = s[3],
                               .ap_medium = s[4],
                               .ap_large = s[5],
                               .ar1 = s[6],
                               .ar10 = s[7],
                               .ar100 = s[8],
                               .ar_small = s[9],
                               .ar_medium = s[10],
                               .ar_large = s[11]};
    size_t size = out->size; // never writes more than the caller's header has
    figures.size = size;
    memcpy(out, &figures, size < sizeof figures ? size : sizeof figures);
    ev_coco_deinit(&coco);
    return TN_OK;
}

lexmask_status lexmask_evaluate_coco(const char *annotations, const char *results, int masks,
                                     int threads, lexmask_figures *figures, lexmask_error *err) {
    tn_error failure = {0};
    tn_pool *pool = NULL;
    tn_status status = TN_OK;
    if (!annotations || !results || !figures)
        status = tn_fail(&failure, TN_EINVAL, "annotations, results or figures is NULL");
    else if (figures->size < sizeof(size_t))
        status = tn_fail(&failure, TN_EINVAL, "figures: fill them by lexmask_figures_init first");
    if (status == TN_OK) status = tn_pool_open(api_threads(threads), &pool, &failure);
    if (status == TN_OK) status = evaluate(annotations, results, masks, pool, figures, &failure);
    tn_pool_close(pool);
    return api_status(status, &failure, err);
}
