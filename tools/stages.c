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

tn_status tool_stages_open(tool_stages *s, const char *folder, const lexmask_model *model,
                           const lexmask_names *names, const lexmask_session_options *how,
                           const tool_paths *pictures, tn_error *err) {
    lexmask_session_options first = *how, second = *how;
    lexmask_error failure = {0};
    *s = (tool_stages){.folder = folder, .pictures = pictures, .max_pixels = how->max_pixels};
    if (!lexmask_model_is_fvlm(model))
        return tn_fail(err, TN_EINVAL, "--stages is for an F-VLM, which has two scores");
    TN_TRY(io_make_folder(folder, err));
    first.score2 = "none";
    second.alpha = second.beta = 1;
    lexmask_status status = lexmask_session_new(model, names, &first, &s->score1, &failure);
    if (status == LEXMASK_OK)
        status = lexmask_session_new(model, names, &second, &s->score2, &failure);
    return tool_api_status(status, &failure, err);
}

void tool_stages_close(tool_stages *s) {
    lexmask_session_free(s->score1);
    lexmask_session_free(s->score2);
    *s = (tool_stages){0};
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
    return tool_api_status(lexmask_result_draw(result, path, &failure), &failure, err);
}

static tn_status draw_alone(const tool_stages *s, lexmask_session *session, size_t index,
                            const char *ending, tn_error *err) {
    lexmask_error failure = {0};
    lexmask_result *result;
    TN_TRY(tool_api_status(lexmask_run_file(session, s->pictures->path[index], &result, &failure),
                           &failure, err));
    tn_status status = draw(s, index, ending, result, err);
    lexmask_result_free(result);
    return status;
}

static tn_status draw_proposals(const tool_stages *s, size_t index, const lexmask_result *result,
                                tn_error *err) {
    char path[4096];
    io_draw_item items[PROPOSALS];
    tn_tensor image;
    size_t count = 0;
    TN_TRY(path_of(s, index, "_proposals.png", path, err));
    for (; count < PROPOSALS; count++) {
        items[count] = (io_draw_item){.score = NAN, .colour = (int)count};
        if (!lexmask_result_proposal_at(result, count, items[count].box)) break;
    }
    TN_TRY(io_image_read(s->pictures->path[index], s->max_pixels, &image, err));
    tn_status status = io_draw_detections(&image, items, count, &image, err);
    if (status == TN_OK) status = io_png_write(path, &image, err);
    tn_free(image.data);
    return status;
}

tn_status tool_stages_add(tool_stages *s, size_t index, const lexmask_result *result,
                          tn_error *err) {
    TN_TRY(draw_proposals(s, index, result, err));
    TN_TRY(draw_alone(s, s->score1, index, "_score1.png", err));
    TN_TRY(draw_alone(s, s->score2, index, "_score2.png", err));
    return draw(s, index, "_fused.png", result, err);
}
