// SPDX-License-Identifier: Apache-2.0
// lexmask detect: the program's purpose. Everything that finds something goes through the public
// C API; this file reads options, walks over pictures and hands results to tools/shared/outputs.h.
#include "io/file.h"
#include "lexmask.h"
#include "models/fvlm/fvlm_config.h"
#include "tensor/alloc.h"
#include "tools/commands.h"
#include "tools/shared/files.h"
#include "tools/shared/model_choice.h"
#include "tools/shared/outputs.h"
#include "tools/shared/progress.h"
#include "tools/shared/wanted_names.h"
#include "tools/stages.h"

#include <stdlib.h>
#include <string.h>

static struct {
    tool_wanted_names names;
    const char *out, *json, *ids, *jsonl, *masks, *stages;
    double show;
    int64_t max_size;
    bool recursive, skip_existing;
} o;

// Most of what has a lower score is wrong. --score is lower: evaluation wants all that is found.
#define SHOWN_FROM 0.25
#define MAX_SIZE 1024   // pixels a side: four times the time of 512
#define SLOW_PICTURE 10 // seconds; longer ones are worth a hint
#define FEW_PROPOSALS 300
#define PHOTO_DETECTOR "maskrcnn_resnet50_fpn_v2" // as `lexmask pull` knows them
#define PHOTO_CLIP "ViT-B/32"

static const tool_option table[] = {
    {"names", TOOL_LIST, "A,B",
     "what to look for, separated by commas; synonyms by |; a name with a comma in double quotes. "
     "Several --names and --names-file add up. Default, with --model: the names that the model was "
     "trained on",
     &o.names.text, .used_by = TOOL_NAMED},
    {"names-file", TOOL_LIST, "FILE",
     "the same, one per line; lines that begin with # are comments, a name that does is written in "
     "double quotes",
     &o.names.file, .used_by = TOOL_NAMED},
    {"recursive", TOOL_FLAG, NULL, "look into the sub-folders of folders, too, but not into links",
     &o.recursive},
    {"out", TOOL_TEXT, "DIR", "write each picture with what was found drawn over it, as PNG",
     &o.out},
    {"json", TOOL_TEXT, "FILE", "write COCO results with run-length masks", &o.json},
    {"ids", TOOL_TEXT, "FILE",
     "with --json: COCO annotations that give pictures (by file name) and categories (by name) "
     "their ids; default 1, 2, …",
     &o.ids},
    {"jsonl", TOOL_TEXT, "FILE",
     "write one JSON object per picture: boxes, names, all scores, the five best names; - for "
     "standard output",
     &o.jsonl},
    {"masks", TOOL_TEXT, "DIR", "write one PNG per instance and a label map per picture", &o.masks},
    {"skip-existing", TOOL_FLAG, NULL,
     "leave out pictures whose files in --out, --masks and --stages, as far as given, are there: "
     "of "
     "a run that was ended early",
     &o.skip_existing},
    {"show", TOOL_REAL, "X",
     "lowest score in the table and in drawings; files of results have all from --score on. "
     "Default "
     "0.25, or what --score was set to",
     &o.show, 0, 1},
    {"stages", TOOL_TEXT, "DIR",
     "F-VLM: write each picture with the proposals, with what each score alone would name, and "
     "with what both name together, as PNGs",
     &o.stages, .used_by = TOOL_FVLM},
    {"max-size", TOOL_INT, "N",
     "F-VLM, without --size: a picture that is more than 1.3 times as large as the model's own "
     "size "
     "is scaled to its own longer side, at most N pixels, if the model's time grows with the "
     "number "
     "of pixels only (windows, or a ResNet). Default 1024",
     &o.max_size, MD_FVLM_MIN_SIZE, MD_FVLM_MAX_SIZE, .used_by = TOOL_FVLM},
    {"novel", TOOL_TEXT, "FILE",
     "F-VLM: names, one per line, that --beta is for, --alpha for all others; default: --alpha for "
     "the names that the model says it was trained on",
     &tool_chosen.novel, .used_by = TOOL_FVLM},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static const tool_option_group *const shared[] = {
    &tool_model_group, &tool_clip_group, &tool_clip_more_group, &tool_names_group,
    &tool_look_group,  &tool_find_group, &tool_compute_group,   NULL};

static double lowest_shown(void) {
    return o.show >= 0                      ? o.show
           : tool_chosen.session.score >= 0 ? tool_chosen.session.score
                                            : SHOWN_FROM;
}

static bool closed(void) {
    return tool_model_closed(&tool_chosen);
}

static bool names_given(void) {
    return o.names.text.count || o.names.file.count;
}

// What a model in a folder was trained on, where nothing else is asked for.
static tn_status read_names(tn_error *err) {
    return names_given() ? tool_wanted_names_read(&o.names, tool_names_of_lvis(), err)
                         : tool_wanted_names_trained(&o.names, tool_chosen.model, err);
}

static const char *misuse(const tool_list *words) {
    (void)words;
    const char *wrong = tool_model_misuse();
    if (wrong) return wrong;
    if (!closed() && !names_given() && !tool_chosen.model)
        return "what to look for? Give --names \"cat,remote control\" or --names-file FILE";
    if (o.max_size && tool_chosen.size)
        return "--size N scales all pictures to one size: it does not go with --max-size";
    if (o.skip_existing && !o.out && !o.masks && !o.stages)
        return "--skip-existing goes with --out, --masks or --stages";
    if (o.skip_existing && (o.json || o.jsonl))
        return "--skip-existing: files of --json and --jsonl are written as a whole; give it "
               "without "
               "them";
    if (o.ids && !o.json) return "--ids goes with --json";
    if (o.json && !strcmp(o.json, "-"))
        return "--json writes a file; results on standard output are --jsonl -";
    return NULL;
}

// ---- what is said of the run
// ---------------------------------------------------------------------

// Who did not choose a model may not know what this one is for.
static void tell_model(void) {
    const char *own = getenv("LEXMASK_MODEL");
    if (tool_model_given()) return;
    if (own && *own)
        tool_detail("using the model in %s (LEXMASK_MODEL)", own);
    else
        tool_note("using the model that comes with lexmask, which knows emoji, not photos. For "
                  "photos: `lexmask pull " PHOTO_DETECTOR " " PHOTO_CLIP
                  "`, then give --detector " PHOTO_DETECTOR " --clip " PHOTO_CLIP);
}

static tool_part naming;
static bool slowness_told;

// Of a Mask R-CNN with CLIP, which encodes up to 1000 crops per picture.
static void tell_slowness(double seconds) {
    if (slowness_told || seconds < SLOW_PICTURE || !(tool_model_kinds(&tool_chosen) & TOOL_CROP) ||
        (tool_chosen.proposals && tool_chosen.proposals <= FEW_PROPOSALS))
        return;
    slowness_told = true;
    tool_note("naming the boxes of a picture takes %.0f s; --proposals %d names only the best %d",
              seconds, FEW_PROPOSALS, FEW_PROPOSALS);
}

// Called between batches of crops, first with 0.
static int picture_progress(void *user, double done) {
    (void)user;
    if (done <= 0) tool_part_start(&naming);
    tell_slowness(tool_part_to(&naming, done, "naming boxes"));
    return tool_interrupted();
}

// ---- the run
// -------------------------------------------------------------------------------------

static tn_status open_model(tool_model *model, tn_error *err) {
    lexmask_names_options names;
    lexmask_names_options_init(&names);
    if (!closed()) TN_TRY(read_names(err));
    names.names = o.names.name.word, names.count = o.names.name.count;
    tool_chosen.each_score = o.stages != NULL;
    tool_chosen.progress = picture_progress;
    tool_chosen.max_size = tool_chosen.size ? tool_chosen.size : o.max_size ? o.max_size : MAX_SIZE;
    TN_TRY(tool_model_open(model, err));
    tell_model();
    if (!closed()) TN_TRY(tool_model_names(model, names, err));
    return tool_model_session(model, err);
}

// One picture; a broken one is reported and the others go on. Returns an exit code, or -1 when
// Ctrl-C or a closed pipe ended it.
static int detect_one(lexmask_session *session, const tool_paths *paths, size_t index,
                      tool_outputs *outputs, const tool_stages *stages) {
    const char *path = paths->path[index];
    lexmask_error err = {0};
    lexmask_result *result;
    double start = tool_seconds();
    lexmask_status status = lexmask_run_file(session, path, &result, &err);
    if (status == LEXMASK_ECANCELLED) return -1;
    if (status != LEXMASK_OK) {
        tool_error("%s", err.text);
        return 1;
    }
    tn_error failure = {0};
    tn_status written = tool_outputs_add(outputs, index, result, &failure);
    if (written == TN_OK && o.stages) written = tool_stages_add(stages, index, result, &failure);
    size_t found = lexmask_result_count(result);
    bool lines_there = o.jsonl && !strcmp(o.jsonl, "-"); // not mixed with the table
    if (written == TN_OK && !lines_there) {
        tool_progress_hide();
        if (paths->count > 1) printf("%s\n", path);
        tool_print_table(result, lowest_shown());
    }
    tool_detail("%s: %zu found in %.2f s", path, found, tool_seconds() - start);
    lexmask_result_free(result);
    if (written == TN_ECANCELLED || tool_reader_gone()) return -1;
    return written == TN_OK ? 0 : tool_failed(&failure);
}

// *good counts pictures whose results are written.
static int detect_all(lexmask_session *session, const tool_paths *paths, tool_outputs *outputs,
                      const tool_stages *stages, size_t *good) {
    int worst = 0;
    tool_progress progress = tool_progress_start(paths->count);
    size_t done = 0, there = 0;
    for (size_t i = 0; i < paths->count && !tool_interrupted(); i++) {
        if (o.skip_existing && tool_outputs_there(outputs, i)) {
            there++, done++;
            tool_progress_step(&progress, paths->path[i]);
            continue;
        }
        int code = detect_one(session, paths, i, outputs, stages);
        if (code < 0) break;
        if (code > worst) worst = code;
        if (!code) ++*good;
        done++;
        tool_progress_step(&progress, paths->path[i]);
    }
    tool_progress_hide();
    if (there) tool_note("%zu of %zu pictures were done already", there, paths->count);
    if (tool_interrupted()) {
        if (!tool_reader_gone())
            tool_note("interrupted: %zu of %zu pictures done; their results were written", done,
                      paths->count);
        worst = 1;
    }
    return paths->count > 1 && worst ? 1 : worst;
}

static int run_with(const tool_paths *paths) {
    tool_model model = {0};
    tool_output_options wanted = {.out = o.out,
                                  .lowest = lowest_shown(),
                                  .json = o.json,
                                  .ids = o.ids,
                                  .lvis = tool_names_of_lvis(),
                                  .jsonl = o.jsonl,
                                  .masks = o.masks,
                                  .stages = o.stages};
    tool_outputs outputs = {0};
    tool_stages stages = {0};
    tn_error err = {0};
    size_t good = 0;
    int code = 0;
    tn_status status = tool_outputs_check(&wanted, paths, &err);
    if (status == TN_OK) status = open_model(&model, &err);
    if (status == TN_OK)
        status = tool_outputs_open(&outputs, &wanted, model.model, model.names, paths, &err);
    if (status == TN_OK && o.stages)
        status = tool_stages_open(&stages, o.stages, lowest_shown(), model.model, paths, &err);
    if (status == TN_OK) {
        code = detect_all(model.session, paths, &outputs, &stages, &good);
        bool nothing = !good && !tool_interrupted(); // leaves what was there before
        if (!nothing) status = tool_outputs_commit(&outputs, &err);
    }
    if (status != TN_OK) code = tool_failed(&err);
    tool_outputs_close(&outputs);
    tool_model_close(&model);
    return code;
}

static int run(const tool_command *self, int argc, char **argv) {
    memset(&o, 0, sizeof o);
    o.show = -1, slowness_told = false;
    tool_model_defaults();
    tool_list words = {0};
    tool_paths paths = {0};
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, &words);
    if (code == TOOL_GO) {
        tool_catch_signals();
        tn_status status = tool_find_pictures(&words, o.recursive, &paths, &err);
        code = status == TN_OK ? run_with(&paths) : tool_failed(&err);
    }
    tool_paths_free(&paths);
    tool_list_free(&words);
    tool_wanted_names_free(&o.names);
    tool_model_free();
    return code;
}

const tool_command tool_detect = {
    .name = "detect",
    .summary = "find what you name in pictures: boxes, masks, scores",
    .usage = "PICTURE|FOLDER|GLOB|@LIST… --names \"A,B\" [--model DIR] [OPTIONS]",
    .details =
        "@LIST is a file with one picture, folder or pattern per line; @- is standard input.\n"
        "Prints a table of name, score and box (x1 y1 x2 y2 in pixels), from a score of 0.25\n"
        "on (--show). A broken picture is\n"
        "reported and skipped; the exit code is then 1. Ctrl-C ends the run; the results of\n"
        "the pictures done are written. \"novel\" marks a name that the detector was not\n"
        "trained on. An option that the chosen model does not use is an error.\n",
    .examples =
        "  lexmask detect screenshot.png --names \"red heart,thumbs up\"\n"
        "  lexmask detect photo.jpg --model demo/pair --names \"red heart,pizza\" --out found\n"
        "  lexmask detect photo.jpg --detector maskrcnn_resnet50_fpn_coco.pth --clip ViT-B-32.pt "
        "\\\n"
        "      --tokenizer bpe_simple_vocab_16e6.txt.gz --names \"cat,remote control,sofa\"\n"
        "  lexmask detect photos/ --mode closed --detector maskrcnn_resnet50_fpn_coco.pth --json "
        "results.json\n",
    .misuse = misuse,
    .run = run,
    .options = options,
    .shared = shared,
};
