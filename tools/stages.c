// SPDX-License-Identifier: Apache-2.0
#include "tools/stages.h"

#include "draw/draw.h"
#include "io/file.h"
#include "io/image/image.h"
#include "lexmask_draw.h"
#include "tensor/alloc.h"
#include "tools/shared/model_choice.h"
#include "tools/shared/outputs.h"

#include <math.h>
#include <string.h>

#define PROPOSALS 100

tn_status tool_stages_open(tool_stages *s, const char *folder, double lowest,
                           const lexmask_model *model, const tool_paths *pictures, tn_error *err) {
    *s = (tool_stages){.folder = folder, .lowest = lowest, .pictures = pictures};
    if (!lexmask_model_is_fvlm(model))
        return tn_fail(err, TN_EINVAL, "--stages is for an F-VLM, which has two scores");
    return io_make_folder(folder, err);
}

static tn_status path_of(const tool_stages *s, size_t index, const char *ending, char out[4096],
                         tn_error *err) {
    char stem[512];
    tool_stem(s->pictures->path[index], stem, sizeof stem);
    TN_TRY(tool_output_path(out, 4096, s->folder, stem, ending, err));
    return tool_output_spares(out, s->pictures, err);
}

static tn_status draw(const tool_stages *s, size_t index, const char *ending,
                      const lexmask_result *result, tn_error *err) {
    char path[4096];
    lexmask_error failure = {0};
    TN_TRY(path_of(s, index, ending, path, err));
    return tool_api_status(lexmask_result_draw(result, s->lowest, path, &failure), &failure, err);
}

static tn_status draw_proposals(const tool_stages *s, size_t index, const lexmask_result *result,
                                tn_error *err) {
    char path[4096];
    io_draw_item items[PROPOSALS];
    size_t count = 0;
    int width, height;
    TN_TRY(path_of(s, index, "_proposals.png", path, err));
    for (; count < PROPOSALS; count++) {
        items[count] = (io_draw_item){.score = NAN, .colour = (int)count};
        if (!lexmask_result_proposal_at(result, count, items[count].box)) break;
    }
    lexmask_result_size(result, &width, &height);
    tn_tensor overlay, picture = tn_view((void *)lexmask_result_pixels(result), TN_U8,
                                         TN_DIMS(height, width, 3)); // only read
    TN_TRY(tn_new_heap(&overlay, TN_U8, 3, picture.dim, err));
    tn_status status = io_draw_detections(&picture, items, count, &overlay, err);
    if (status == TN_OK) status = io_png_write(path, &overlay, err);
    tn_free(overlay.data);
    return status;
}

tn_status tool_stages_add(const tool_stages *s, size_t index, const lexmask_result *result,
                          tn_error *err) {
    TN_TRY(draw_proposals(s, index, result, err));
    TN_TRY(draw(s, index, "_score1.png", lexmask_result_alone(result, 1), err));
    TN_TRY(draw(s, index, "_score2.png", lexmask_result_alone(result, 2), err));
    return draw(s, index, "_fused.png", result, err);
}
