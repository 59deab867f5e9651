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
#include "tools/stages.h"

#include <string.h>
#include <unistd.h>

static struct {
    const char *names, *names_file, *model, *detector, *clip, *tokenizer, *mode, *background;
    const char *crop_shape, *objectness_of, *dtype, *embeddings, *activation;
    const char *out, *json, *ids, *jsonl, *masks, *stages, *score2, *novel;
    tool_list prompts;
    int64_t proposals, clip_batch, top, threads, heads, text_heads, max_megapixels, size;
    double crop_context, objectness, score, nms, bn_eps, alpha, beta;
    bool no_cache, no_contrast;
} o;

static const tool_option table[] = {
    {"names", TOOL_TEXT, "A,B", "what to look for, separated by commas; synonyms by |", &o.names},
    {"names-file", TOOL_TEXT, "FILE", "the same, one a line", &o.names_file},
    {"model", TOOL_TEXT, "DIR",
     "folder with detector.safetensors and clip/, or an F-VLM's, as `lexmask train` writes it; "
     "default: the model that comes with lexmask",
     &o.model},
    {"detector", TOOL_TEXT, "FILE",
     "Mask R-CNN in torchvision's form (.pth, .safetensors), or the "
     "name of a pulled one",
     &o.detector},
    {"clip", TOOL_TEXT, "FILE|DIR",
     "CLIP: OpenAI's .pt, a Hugging Face or OpenCLIP folder, or the "
     "name of a pulled one",
     &o.clip},
    {"tokenizer", TOOL_TEXT, "FILE",
     "bpe_simple_vocab_16e6.txt.gz, tokenizer.json or a folder; "
     "default: looked for in and beside the CLIP",
     &o.tokenizer},
    {"mode", TOOL_CHOICE, "MODE",
     "crop: proposals, each named by CLIP; closed: the detector with "
     "its own classes, no CLIP. Default crop",
     &o.mode, .choices = "crop|closed"},
    {"prompt", TOOL_LIST, "TEXT",
     "sentence around a name; given several times, they are averaged; "
     "imagenet80: the ensemble of 80. Default \"a photo of {}\"",
     &o.prompts},
    {"background", TOOL_TEXT, "TEXT",
     "sentence for what is none of the names; none: no such "
     "sentence, nor what an F-VLM has learned for it. Default \"a random photo with no specific "
     "object\"",
     &o.background},
    {"embeddings", TOOL_TEXT, "FILE",
     "ready text embeddings (.npy, one row a name) instead of the "
     "text tower",
     &o.embeddings},
    {"proposals", TOOL_INT, "N",
     "crop: name the N best proposals; default all that the detector "
     "keeps (1000)",
     &o.proposals, 1, 100000},
    {"clip-batch", TOOL_INT, "N", "crops encoded at a time; default 64", &o.clip_batch, 1, 65536},
    {"crop-shape", TOOL_CHOICE, "SHAPE",
     "tight: the box itself, as CLIP's centre crop leaves it; "
     "square: a square around it, which keeps its ends. Default square",
     &o.crop_shape, .choices = "tight|square"},
    {"crop-context", TOOL_REAL, "X", "square: its side in longer sides of the box; default 1.15",
     &o.crop_context, 1, 10},
    {"objectness", TOOL_REAL, "W",
     "crop: score = p^(1-W) o^W of CLIP's probability and the "
     "proposal's objectness; 0: CLIP alone. Default 0.5",
     &o.objectness, 0, 1},
    {"objectness-of", TOOL_CHOICE, "PART",
     "whose objectness: head (the box head's, which knows parts from wholes) or rpn (the "
     "proposal's, not tied to trained classes). Default: head if it is class-agnostic, else rpn",
     &o.objectness_of, .choices = "head|rpn"},
    {"size", TOOL_INT, "N",
     "F-VLM: look at pictures of N x N pixels, a multiple of the CLIP's patch (and window); larger "
     "ones find smaller things and take longer. Default: the model's own",
     &o.size, MD_FVLM_SIZE_LEAST, MD_FVLM_SIZE_MOST},
    {"score2", TOOL_CHOICE, "MODE",
     "F-VLM: how CLIP itself looks at a box: crop: at a piece of the picture; embed: at the box's "
     "patches through the whole encoder; dense: at its last block's values; maskcls: by a class "
     "token that sees the box alone; attnpool (ResNets): by its attention pool; none. Default: "
     "the model's own",
     &o.score2, .choices = "none|crop|embed|dense|maskcls|attnpool"},
    {"alpha", TOOL_REAL, "W",
     "F-VLM: weight of score 2 for names that the model was trained on; default: the model's own",
     &o.alpha, 0, 1},
    {"beta", TOOL_REAL, "W", "F-VLM: the same for all other names", &o.beta, 0, 1},
    {"novel", TOOL_TEXT, "FILE",
     "F-VLM: names, one a line, that --beta holds for, --alpha for all others; default: --alpha "
     "for the names that the model says it was trained on",
     &o.novel},
    {"score", TOOL_REAL, "X",
     "keep detections that score more; default 0.05, or what the F-VLM says", &o.score, 0, 1},
    {"nms", TOOL_REAL, "X",
     "of two boxes of one name that overlap more (IoU), the better stays; "
     "default 0.5",
     &o.nms, 0, 1},
    {"top", TOOL_INT, "N", "at most N detections a picture; default 100", &o.top, 1, 100000},
    {"out", TOOL_TEXT, "DIR", "write each picture with what was found drawn over it, as PNG",
     &o.out},
    {"json", TOOL_TEXT, "FILE", "write COCO results with run-length masks", &o.json},
    {"ids", TOOL_TEXT, "FILE",
     "COCO annotations that give pictures (by file name) and categories "
     "(by name) their ids; default 1, 2, …",
     &o.ids},
    {"jsonl", TOOL_TEXT, "FILE",
     "write one JSON object a picture: boxes, names, all scores, the "
     "five best names; - for standard output",
     &o.jsonl},
    {"stages", TOOL_TEXT, "DIR",
     "F-VLM: write each picture with what the RPN proposes, what each score alone would name, and "
     "what both name together, as PNGs",
     &o.stages},
    {"masks", TOOL_TEXT, "DIR", "write one PNG an instance and a label map a picture", &o.masks},
    {"threads", TOOL_INT, "N", "default: all processors", &o.threads, 1, 1024},
    {"dtype", TOOL_TEXT, "TYPE", "f32 (the default)", &o.dtype},
    {"heads", TOOL_INT, "N", "attention heads of CLIP's image tower, where its file does not tell",
     &o.heads, 1, 1024},
    {"text-heads", TOOL_INT, "N", "the same of the text tower", &o.text_heads, 1, 1024},
    {"activation", TOOL_CHOICE, "KIND", "gelu or quick_gelu, where CLIP's file does not tell",
     &o.activation, .choices = "gelu|quick_gelu"},
    {"bn-eps", TOOL_REAL, "X",
     "epsilon of the detector's batch norm; default: from the file (0 "
     "for frozen batch norm)",
     &o.bn_eps, 0, 1},
    {"max-megapixels", TOOL_INT, "N", "refuse larger pictures; default 100", &o.max_megapixels, 1,
     100000},
    {"no-contrast", TOOL_FLAG, NULL,
     "F-VLM: let no names compete but those that you give. Default: those that the model says its "
     "CLIP was trained on compete, too, so that it does not call everything by the one name it got",
     &o.no_contrast},
    {"no-cache", TOOL_FLAG, NULL, "do not keep text embeddings in the cache folder", &o.no_cache},
};

static const tool_option *options(size_t *count) {
    *count = sizeof table / sizeof *table;
    return table;
}

static void set_defaults(void) {
    memset(&o, 0, sizeof o);
    o.mode = "crop";
    o.score = o.nms = o.objectness = o.bn_eps = o.alpha = o.beta = -1;
}

// The C API's errors are the library's own, number for number.
static int api_failed(const lexmask_error *err) {
    tool_error("%s", err->text);
    return err->status == LEXMASK_EINVAL ? 2 : 1;
}

static bool closed(void) {
    return !strcmp(o.mode, "closed");
}

static const char *misuse(const tool_list *words) {
    (void)words;
    if (!o.model && !o.detector && (o.clip || closed()))
        return "which model? Give --model DIR, or --detector FILE and --clip FILE";
    if (o.model && (o.detector || o.clip))
        return "--model stands for --detector and --clip: give one or the other";
    if (!closed() && o.detector && !o.clip)
        return "--mode crop needs a CLIP: give --clip FILE (or --mode closed)";
    if (!closed() && !o.names && !o.names_file)
        return "what to look for? Give --names \"cat,remote control\" or --names-file FILE";
    if (o.names && o.names_file) return "--names or --names-file, not both";
    if (o.ids && !o.json) return "--ids goes with --json";
    if (o.json && !strcmp(o.json, "-"))
        return "--json writes a file; results on standard output are --jsonl -";
    return NULL;
}

static int open_model(lexmask_model **model) {
    lexmask_model_options options;
    lexmask_model_options_init(&options);
    options.folder = o.model, options.detector = o.detector, options.tokenizer = o.tokenizer;
    options.clip = closed() ? NULL : o.clip;
    options.device = tool_device;
    options.dtype = o.dtype ? o.dtype : options.dtype;
    options.threads = (int)o.threads;
    options.size = (int)o.size, options.heads = (int)o.heads,
    options.text_heads = (int)o.text_heads;
    options.activation = o.activation, options.bn_eps = o.bn_eps, options.log = tool_api_log;
    options.detector_only = closed(), options.no_tokenizer = o.embeddings != NULL;
    lexmask_error err = {0};
    return lexmask_model_open(&options, model, &err) == LEXMASK_OK ? 0 : api_failed(&err);
}

static int make_names(const lexmask_model *model, lexmask_names **names) {
    lexmask_names_options options;
    lexmask_names_options_init(&options);
    options.text = o.names, options.file = o.names_file;
    options.prompts = o.prompts.word, options.prompt_count = o.prompts.count;
    options.background = o.background, options.embeddings = o.embeddings;
    options.use_cache = !o.no_cache, options.no_contrast = o.no_contrast;
    options.threads = (int)o.threads;
    options.log = tool_api_log, options.progress = tool_sentences_progress;
    lexmask_error err = {0};
    return lexmask_names_new(model, &options, names, &err) == LEXMASK_OK ? 0 : api_failed(&err);
}

static lexmask_session_options session_options(void) {
    lexmask_session_options options;
    lexmask_session_options_init(&options);
    options.mode = closed() ? LEXMASK_CLOSED : LEXMASK_CROP;
    options.threads = (int)o.threads, options.max_pixels = o.max_megapixels * 1000000;
    options.proposals = (int)o.proposals, options.clip_batch = (int)o.clip_batch;
    if (o.crop_shape)
        options.crop_shape = strcmp(o.crop_shape, "tight") ? LEXMASK_SQUARE : LEXMASK_TIGHT;
    options.crop_context = o.crop_context;
    options.objectness = o.objectness;
    if (o.objectness_of)
        options.objectness_of = strcmp(o.objectness_of, "rpn") ? LEXMASK_HEAD : LEXMASK_RPN;
    options.score = o.score, options.nms = o.nms, options.top = (int)o.top;
    options.score2 = o.score2, options.novel = o.novel;
    options.alpha = o.alpha, options.beta = o.beta;
    options.progress = tool_api_cancelled, options.log = tool_api_log;
    return options;
}

static int open_session(const lexmask_model *model, const lexmask_names *names,
                        lexmask_session **session) {
    lexmask_session_options options = session_options();
    lexmask_error err = {0};
    return lexmask_session_new(model, names, &options, session, &err) == LEXMASK_OK
               ? 0
               : api_failed(&err);
}

// One picture; a broken one is reported and the others go on. Returns an exit code, or -1 when
// Ctrl-C ended it.
static int detect_one(lexmask_session *session, const tool_paths *paths, size_t index,
                      tool_outputs *outputs, tool_stages *stages) {
    const char *path = paths->path[index];
    lexmask_error err = {0};
    lexmask_result *result;
    double start = tool_seconds();
    lexmask_status status = lexmask_run_file(session, path, &result, &err);
    if (status == LEXMASK_ECANCELLED) return -1;
    if (status != LEXMASK_OK) {
        api_failed(&err);
        return 1;
    }
    tn_error failure = {0};
    tn_status written = tool_outputs_add(outputs, index, result, &failure);
    if (written == TN_OK && o.stages) written = tool_stages_add(stages, index, result, &failure);
    size_t found = lexmask_result_count(result);
    bool lines_there = o.jsonl && !strcmp(o.jsonl, "-"); // not mixed with the table
    if (written == TN_OK && !lines_there && tool_verbosity >= 0) {
        tool_progress_hide();
        if (paths->count > 1) printf("%s\n", path);
        tool_print_table(result);
    }
    tool_detail("%s: %zu found in %.2f s", path, found, tool_seconds() - start);
    lexmask_result_free(result);
    if (written == TN_ECANCELLED) return -1;
    return written == TN_OK ? 0 : tool_failed(&failure);
}

// *good counts pictures whose results are written.
static int detect_all(lexmask_session *session, const tool_paths *paths, tool_outputs *outputs,
                      tool_stages *stages, size_t *good) {
    int worst = 0;
    tool_progress progress = tool_progress_start(paths->count);
    size_t done = 0;
    for (size_t i = 0; i < paths->count && !tool_interrupted(); i++) {
        int code = detect_one(session, paths, i, outputs, stages);
        if (code < 0) break;
        if (code > worst) worst = code;
        if (!code) ++*good;
        done++;
        tool_progress_step(&progress, paths->path[i]);
    }
    tool_progress_hide();
    if (tool_interrupted()) {
        tool_note("interrupted: %zu of %zu pictures done; what they gave is kept", done,
                  paths->count);
        worst = 1;
    }
    return paths->count > 1 && worst ? 1 : worst;
}

static int run_with(const tool_paths *paths) {
    lexmask_model *model = NULL;
    lexmask_names *names = NULL;
    lexmask_session *session = NULL;
    tool_output_options wanted = {o.out, o.json, o.ids, o.jsonl, o.masks, o.stages};
    tool_outputs outputs = {0};
    tool_stages stages = {0};
    lexmask_session_options how = session_options();
    tn_error err = {0};
    if (tool_outputs_check(&wanted, paths, &err) != TN_OK) return tool_failed(&err);
    if (closed() && (o.names || o.names_file))
        tool_note("--mode closed names things by the detector's own classes: names are not used");
    int code = open_model(&model);
    if (!code && !closed()) code = make_names(model, &names);
    if (!code) code = open_session(model, names, &session);
    if (!code && tool_outputs_open(&outputs, &wanted, model, names, paths, &err) != TN_OK)
        code = tool_failed(&err);
    if (!code && o.stages &&
        tool_stages_open(&stages, o.stages, model, names, &how, paths, &err) != TN_OK)
        code = tool_failed(&err);
    if (!code) {
        size_t good = 0;
        code = detect_all(session, paths, &outputs, &stages, &good);
        bool nothing = !good && !tool_interrupted(); // leaves what was there before
        if (!nothing && tool_outputs_commit(&outputs, &err) != TN_OK) code = tool_failed(&err);
    }
    tool_outputs_close(&outputs);
    tool_stages_close(&stages);
    lexmask_session_free(session);
    lexmask_names_free(names);
    lexmask_model_close(model);
    return code;
}

static int run(const tool_command *self, int argc, char **argv) {
    set_defaults();
    tool_list words = {0};
    tool_paths paths = {0};
    tn_error err = {0};
    int code = tool_parse(self, argc, argv, &words);
    if (code == TOOL_GO) {
        tool_catch_signals();
        code = tool_find_pictures(&words, &paths, &err) == TN_OK ? run_with(&paths)
                                                                 : tool_failed(&err);
    }
    tool_paths_free(&paths);
    tool_list_free(&words);
    tool_list_free(&o.prompts);
    return code;
}

const tool_command tool_detect = {
    .name = "detect",
    .summary = "find what you name in pictures: boxes, masks, scores",
    .usage = "PICTURE|FOLDER|GLOB… --names \"A,B\" [--model DIR] [OPTIONS]",
    .details = "A table of name, score and box (x1 y1 x2 y2, pixels) goes to standard output. A\n"
               "broken picture is reported and skipped; the exit code then is 1. Ctrl-C ends the\n"
               "run; what is done is kept. A name that is marked \"novel\" is none of those whose "
               "boxes the\n"
               "detector was trained on.\n",
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
};
