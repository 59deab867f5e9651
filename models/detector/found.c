// SPDX-License-Identifier: Apache-2.0
#include "models/detector/found.h"

#include "kernels/mask_paste.h"

#include <string.h>

void md_found_tensors(md_found *found, tn_tensor *out[MD_FOUND_TENSORS]) {
    tn_tensor *const all[MD_FOUND_TENSORS] = {
        &found->boxes,  &found->scores,      &found->labels,     &found->masks,
        &found->best,   &found->best_scores, &found->objectness, &found->score1,
        &found->score2, &found->name_scores, &found->proposals};
    memcpy(out, all, sizeof all);
}

tn_status md_mask_paste(double threshold, const tn_tensor *masks, const tn_tensor *boxes,
                        int64_t index, tn_tensor *y, tn_error *err) {
    TN_CHECK(y->dtype == TN_U8 && y->rank == 2, "a mask of the picture is uint8 [H,W]");
    tn_tensor mask = tn_slice(masks, index, 1), box = tn_slice(boxes, index, 1);
    int64_t height = y->dim[0], width = y->dim[1], side = masks->dim[1];
    void *scratch = tn_alloc(kn_mask_paste_bytes(side, width));
    if (!scratch) return tn_fail(err, TN_ENOMEM, "out of memory for a mask");
    kn_mask_paste_one(threshold, tn_f32(&mask), side, tn_f32(&box), height, width, scratch,
                      tn_u8(y));
    tn_free(scratch);
    return TN_OK;
}
