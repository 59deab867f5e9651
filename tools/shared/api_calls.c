// SPDX-License-Identifier: Apache-2.0
#include "tools/shared/api_calls.h"

#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <string.h>

tn_status tool_api_status(lexmask_status status, const lexmask_error *from, tn_error *to) {
    if (status == LEXMASK_OK) return TN_OK;
    return tn_fail(to, (tn_status)status, "%s", from->text);
}

void tool_api_log(void *user, lexmask_log_level level, const char *text) {
    (void)user;
    if (level == LEXMASK_LOG_DETAIL)
        tool_detail("%s", text);
    else
        tool_note("%s", text);
}

int tool_api_cancelled(void *user, double done) {
    (void)user, (void)done;
    return tool_interrupted();
}

tn_status tool_api_write_coco(lexmask_result *result, io_coco_id image, const io_coco_id *category,
                              const bool *left_out, io_coco_writer *writer, tn_error *err) {
    int width, height;
    lexmask_result_size(result, &width, &height);
    for (size_t i = 0; i < lexmask_result_count(result); i++) {
        const lexmask_detection *d = lexmask_result_at(result, i);
        if (left_out && left_out[d->label]) continue;
        io_coco_found found = {.image = image,
                               .category = category[d->label],
                               .score = d->score,
                               .h = (uint32_t)height,
                               .w = (uint32_t)width};
        lexmask_error failure = {0};
        memcpy(found.box, d->box, sizeof found.box);
        if (lexmask_result_has_masks(result))
            TN_TRY(tool_api_status(lexmask_result_rle(result, i, &found.counts, &failure), &failure,
                                   err));
        TN_TRY(io_coco_writer_add(writer, &found, err));
    }
    return TN_OK;
}
