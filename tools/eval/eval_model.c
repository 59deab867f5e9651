// SPDX-License-Identifier: Apache-2.0
#include "tools/eval/eval_model.h"

#include "tensor/alloc.h"
#include "tools/shared/options.h"
#include "tools/shared/progress.h"

#include <string.h>

// The ids of the pictures to run; each one's file is there.
static tn_status choose_pictures(const tool_eval_run *run, int64_t **ids, size_t *count,
                                 tn_error *err) {
    const io_coco *data = run->data;
    *count = 0;
    if (run->split) {
        TN_TRY(io_coco_split_images(run->split, data, ids, count, err));
    } else {
        *ids = tn_alloc_zero(data->image_count + 1, sizeof **ids);
        if (!*ids) return tn_fail(err, TN_ENOMEM, "out of memory for the pictures");
        for (; *count < data->image_count; ++*count) (*ids)[*count] = data->images[*count].id;
    }
    for (size_t i = 0; i < *count; i++) {
        char path[4096];
        const io_coco_image *image = &data->images[io_coco_find_image(data, (*ids)[i])];
        TN_TRY(tool_data_find(run->pictures, image, path, sizeof path, err));
    }
    return TN_OK;
}

static tn_status keep_proposals(tool_eval_run *run, const tool_data_model *model, int64_t id,
                                const lexmask_result *result, tn_error *err) {
    size_t count = lexmask_result_proposal_count(result), need = run->proposal_count + count;
    if (need > run->room) {
        size_t room = need > 2 * run->room ? need : 2 * run->room, size = sizeof *run->proposal;
        io_coco_object *more = tn_realloc(run->proposal, run->room * size, room * size);
        if (!more) return tn_fail(err, TN_ENOMEM, "out of memory for %zu proposals", need);
        run->proposal = more, run->room = room;
    }
    for (size_t i = 0; i < count; i++) {
        float box[4];
        lexmask_result_proposal_at(result, i, box);
        run->proposal[run->proposal_count++] = (io_coco_object){
            .id = (int64_t)run->proposal_count,
            .image_id = id,
            .category_id = model->category_id[0].number,
            .box = {box[0], box[1], box[2] - box[0], box[3] - box[1]},
            .score = 1 / (1 + (double)i), // their order is all that there is to know
            .has_box = true,
        };
    }
    return TN_OK;
}

// What is known when the first picture is done.
static tn_status open_scores(tool_eval_run *run, const tool_data_model *model,
                             const lexmask_scores *scores, tn_error *err) {
    size_t names = model->labels;
    if (scores->columns - (size_t)scores->background != names)
        return tn_fail(err, TN_EINVAL,
                       "--scores keeps what is looked for alone: give --no-contrast with it");
    int64_t *ids = tn_alloc_zero(names + 1, sizeof *ids);
    if (!ids) return tn_fail(err, TN_ENOMEM, "out of memory for %zu categories", names);
    for (size_t t = 0; t < names; t++) ids[t] = model->category_id[t].number;
    io_scores_head head = {.classes = names,
                           .category_ids = ids,
                           .base = (uint8_t *)scores->base, // only read
                           .background = scores->background,
                           .has_score2 = scores->score2 != NULL,
                           .alpha = scores->alpha,
                           .beta = scores->beta,
                           .objectness = scores->power,
                           .renormalise = scores->renormalise,
                           .score = scores->score,
                           .nms = scores->nms,
                           .soft = scores->soft,
                           .inside = scores->inside,
                           .top = scores->top};
    tn_status status = io_scores_writer_open(&run->scores, run->scores_out, &head, err);
    run->scores_open = status == TN_OK;
    tn_free(ids);
    return status;
}

static tn_status keep_scores(tool_eval_run *run, const tool_data_model *model, int64_t id,
                             const lexmask_result *result, tn_error *err) {
    const lexmask_scores *scores = lexmask_result_scores(result);
    if (!scores)
        return tn_fail(err, TN_EINVAL, "this model has no two scores to keep: only an F-VLM has");
    if (!run->scores_open) TN_TRY(open_scores(run, model, scores, err));
    return io_scores_writer_add(&run->scores, id, (int64_t)scores->count, scores->boxes,
                                scores->objectness, scores->score1, scores->score2, err);
}

static tn_status run_one(tool_eval_run *run, const tool_data_model *model,
                         const io_coco_image *image, io_coco_writer *writer,
                         tool_progress *progress, tn_error *err) {
    char path[4096];
    lexmask_error failure = {0};
    lexmask_result *result;
    TN_TRY(io_coco_image_path(image, run->pictures, path, sizeof path, err));
    lexmask_status status = lexmask_run_file(model->open.session, path, &result, &failure);
    if (status == LEXMASK_EFORMAT || status == LEXMASK_EUNSUPPORTED || status == LEXMASK_EIO) {
        tool_error("%s", failure.text);
        run->broken++;
        return TN_OK;
    }
    TN_TRY(tool_api_status(status, &failure, err));
    tn_status kept = tool_api_write_coco(result, (io_coco_id){image->id, image->id_text},
                                         model->category_id, model->left_out, writer, err);
    if (kept == TN_OK && run->proposals) kept = keep_proposals(run, model, image->id, result, err);
    if (kept == TN_OK && run->scores_out) kept = keep_scores(run, model, image->id, result, err);
    tool_detail("%s: %zu found", path, lexmask_result_count(result));
    lexmask_result_free(result);
    run->done++;
    tool_progress_step(progress, path);
    return kept;
}

static tn_status run_all(tool_eval_run *run, const tool_data_model *model, const int64_t *ids,
                         size_t count, tn_error *err) {
    io_coco_writer writer;
    TN_TRY(io_coco_writer_open(&writer, run->results_out, err));
    tool_progress progress = tool_progress_start(count);
    tn_status status = TN_OK;
    for (size_t i = 0; status == TN_OK && i < count; i++)
        status = run_one(run, model, &run->data->images[io_coco_find_image(run->data, ids[i])],
                         &writer, &progress, err);
    tool_progress_hide();
    // Arrays that end early would be taken for all there is.
    if (run->scores_open && status == TN_OK) status = io_scores_writer_commit(&run->scores, err);
    if (run->scores_open && status != TN_OK) io_scores_writer_abort(&run->scores);
    if (status != TN_OK && status != TN_ECANCELLED) {
        io_coco_writer_abort(&writer);
        return status;
    }
    TN_TRY(io_coco_writer_commit(&writer, err));
    if (status == TN_OK) return TN_OK;
    return tn_fail(err, TN_ECANCELLED, "interrupted: %s has the results of %zu of %zu pictures",
                   run->results_out, run->done, count);
}

tn_status tool_eval_run_model(tool_eval_run *run, const tool_data_model *model, tn_error *err) {
    if (run->masks && !lexmask_model_has_masks(model->open.model))
        return tn_fail(err, TN_EUNSUPPORTED,
                       "--type segm: the detector is a Faster R-CNN, without masks");
    int64_t *ids = NULL;
    size_t count;
    tn_status status = choose_pictures(run, &ids, &count, err);
    if (status == TN_OK) status = run_all(run, model, ids, count, err);
    tn_free(ids);
    return status;
}

void tool_eval_run_deinit(tool_eval_run *run) {
    tn_free(run->proposal);
    run->proposal = NULL;
}
