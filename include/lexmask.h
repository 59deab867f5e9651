// SPDX-License-Identifier: Apache-2.0
// lexmask finds the things you name in a picture: boxes, pixel masks and scores.
//
//     lexmask_model    weights, loaded once, read-only
//     lexmask_names    what to look for, turned into embeddings once, read-only
//     lexmask_session  threads and working memory
//     lexmask_result   what was found in one picture, yours until you free it
//
//     lexmask_model_open → lexmask_names_new → lexmask_session_new → lexmask_run_file → results
//
// Close them in the opposite order; a result may outlive all of them but the names and the model
// that its texts (lexmask_detection.name) belong to.
//
// Threads: any number of threads may use a model, names or a result at the same time. A session is
// for one thread at a time.
//
// Errors: functions that can fail return a lexmask_status and, if err is not NULL, fill it with a
// text that names the file and the place. Outputs are not written when a function fails. Functions
// that only read take NULL for an object: they return 0 or NULL. Free and close take NULL, too.
//
// Text is UTF-8. Strings and arrays that a function returns belong to the object they come from.
//
// Options: a struct of options begins with its size and is filled with the defaults by its _init
// function; then set what you want. Numbers whose default depends on the model or the machine are
// LEXMASK_DEFAULT, texts are NULL. Options may be NULL where all defaults will do. An option that
// the model or the mode does not use is an error (LEXMASK_EINVAL) when it is set. Later versions
// may add fields at the end of structs. A program that was compiled with an older or a newer header
// than the library's keeps working while the SONAME is the same: the library neither reads nor
// writes beyond the size that the program's header has, and refuses fields that are set and that it
// does not know (LEXMASK_EUNSUPPORTED).
#ifndef LEXMASK_H
#define LEXMASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEXMASK_API __attribute__((visibility("default")))

#define LEXMASK_VERSION "0.2.0"
#define LEXMASK_VERSION_NUMBER 200 // 10000 major + 100 minor + patch

// The default of a number in a struct of options: the model's own, or the machine's.
#define LEXMASK_DEFAULT (-1)

typedef enum lexmask_status {
    LEXMASK_OK = 0,
    LEXMASK_EINVAL,       // an argument or option cannot be used
    LEXMASK_EIO,          // opening, reading or writing failed
    LEXMASK_EFORMAT,      // a file or text is not what its format requires
    LEXMASK_ENOMEM,       // out of memory, or over a limit
    LEXMASK_EUNSUPPORTED, // valid, but not supported by this library
    LEXMASK_EDEVICE,      // a device is missing or failed
    LEXMASK_ECANCELLED,   // a callback of yours cancelled
} lexmask_status;

// "invalid argument", …; "unknown status" for other numbers.
LEXMASK_API const char *lexmask_status_name(lexmask_status status);

typedef struct lexmask_error { // its size never changes; {0} is fine to begin with
    lexmask_status status;
    char text[1024];
} lexmask_error;

typedef struct lexmask_model lexmask_model;
typedef struct lexmask_names lexmask_names;
typedef struct lexmask_session lexmask_session;
typedef struct lexmask_result lexmask_result;

// Of the library that runs, which may be another than that of this header.
LEXMASK_API const char *lexmask_version(void);
LEXMASK_API int lexmask_version_number(void);
// What this build can compute on ("cpu", …), and with which numbers a device computes ("f32", …;
// NULL: no such device). Ended by NULL.
LEXMASK_API const char *const *lexmask_devices(void);
LEXMASK_API const char *const *lexmask_dtypes(const char *device);
// The processor level that a new model would use ("avx512", …) into text. LEXMASK_EDEVICE when
// the environment variable LEXMASK_CPU names one that this processor lacks.
LEXMASK_API lexmask_status lexmask_level(char *text, size_t bytes, lexmask_error *err);

// ---- messages ----------------------------------------------------------------------------------

typedef enum lexmask_log_level {
    LEXMASK_LOG_DETAIL,
    LEXMASK_LOG_NOTE,
    LEXMASK_LOG_WARNING,
} lexmask_log_level;
// Called on the thread that called the library. NULL: no messages.
typedef void (*lexmask_log)(void *user, lexmask_log_level level, const char *text);

// ---- models ------------------------------------------------------------------------------------

typedef struct lexmask_model_options {
    size_t size; // of this struct
    // A model folder: detector.safetensors (or detector.pth) and clip/ in it, or that of an F-VLM:
    // config.json, adapters.safetensors and its CLIP. Not together with detector and clip. All
    // three NULL: the model that comes with lexmask (the environment variable LEXMASK_MODEL, else
    // the installed one).
    const char *folder;
    const char *detector;   // Mask R-CNN with torchvision's names: .pth or .safetensors
    const char *clip;       // OpenAI's .pt, a Hugging Face or OpenCLIP folder, or .safetensors;
                            // NULL: none, which the closed mode does not need
    const char *tokenizer;  // bpe_simple_vocab_16e6.txt.gz, tokenizer.json or a folder; NULL: the
                            // one in or beside clip
    const char *device;     // one of lexmask_devices; default "cpu"
    const char *dtype;      // one of lexmask_dtypes, for the products of the networks that see the
                            // picture. "f32" (default); "bf16": rounded to bfloat16, summed in
                            // float32, faster on processors with AVX512_BF16 and slower elsewhere
    const char *activation; // "gelu" or "quick_gelu" of a CLIP whose file does not say; NULL
    lexmask_log log;
    void *log_user;
    double bn_eps;         // epsilon of the detector's batch norm; LEXMASK_DEFAULT: the file's
    int use_clip;          // default 1; 0: load no CLIP, for the closed mode
    int use_tokenizer;     // default 1; 0: load none, for names with ready embeddings
    int threads;           // while loading; LEXMASK_DEFAULT: all processors
    int picture_size;      // F-VLM: side of the square that it sees, in pixels; LEXMASK_DEFAULT:
                           // the model's own
    int heads, text_heads; // attention heads of a CLIP whose file does not say; LEXMASK_DEFAULT
} lexmask_model_options;

LEXMASK_API void lexmask_model_options_init_sized(lexmask_model_options *options, size_t size);
static inline void lexmask_model_options_init(lexmask_model_options *options) {
    lexmask_model_options_init_sized(options, sizeof *options);
}
LEXMASK_API lexmask_status lexmask_model_open(const lexmask_model_options *options,
                                              lexmask_model **model, lexmask_error *err);
LEXMASK_API void lexmask_model_close(lexmask_model *model);
// 0: a Faster R-CNN, which has no mask head and gives boxes alone.
LEXMASK_API int lexmask_model_has_masks(const lexmask_model *model);
// 1: an F-VLM, which has no classes of its own and names its boxes by two scores.
LEXMASK_API int lexmask_model_is_fvlm(const lexmask_model *model);
// The detector's own classes, for the closed mode: labels are 1 … count-1; 0 is the background.
LEXMASK_API size_t lexmask_model_class_count(const lexmask_model *model);
LEXMASK_API const char *lexmask_model_class_at(const lexmask_model *model, size_t label);

// ---- names -------------------------------------------------------------------------------------

typedef struct lexmask_names_options {
    size_t size; // of this struct
    // What to look for, in one of three forms. Synonyms of one name are separated by '|'.
    const char *const *names; // count of them
    size_t count;
    const char *text; // "cat,remote control": separated by commas
    const char *file; // a text file, one name per line
    // Sentences around a name, such as "a photo of {}"; the embeddings of several are averaged.
    // NULL: that one. The one prompt "imagenet80" stands for CLIP's ensemble of 80.
    const char *const *prompts;
    size_t prompt_count;
    // A text for what is none of the names. NULL: "a random photo with no specific object", or
    // what the F-VLM has learned. "none": no background, not even a learned one.
    const char *background;
    const char *embeddings; // .npy [count,D] instead of the text tower; NULL: the text tower
    int threads;            // LEXMASK_DEFAULT: all processors
    int use_cache;          // default 1: keep text embeddings in the user's cache folder
    // F-VLM that lists the names its CLIP was trained on. 1 (default): these compete with yours,
    // and are never part of a result. 0: they do not. Not used with ready embeddings.
    int contrast;
    lexmask_log log; // a name that is cut at 77 tokens, a name unknown to the model
    void *log_user;
    // Called on the calling thread with the number of sentences done, of all that are not in the
    // cache. Another value than 0 cancels.
    int (*progress)(void *user, size_t done, size_t all);
    void *progress_user;
} lexmask_names_options;

LEXMASK_API void lexmask_names_options_init_sized(lexmask_names_options *options, size_t size);
static inline void lexmask_names_options_init(lexmask_names_options *options) {
    lexmask_names_options_init_sized(options, sizeof *options);
}
LEXMASK_API lexmask_status lexmask_names_new(const lexmask_model *model,
                                             const lexmask_names_options *options,
                                             lexmask_names **names, lexmask_error *err);
LEXMASK_API void lexmask_names_free(lexmask_names *names);
LEXMASK_API size_t lexmask_names_count(const lexmask_names *names);
LEXMASK_API const char *lexmask_names_at(const lexmask_names *names, size_t i); // first synonym

// ---- sessions ----------------------------------------------------------------------------------

typedef enum lexmask_mode {
    LEXMASK_MODE_CROP,   // find your names. A Mask R-CNN proposes regions and CLIP names a crop of
                         // each; an F-VLM does so by its two scores
    LEXMASK_MODE_CLOSED, // find the detector's own classes; needs neither CLIP nor names
} lexmask_mode;

typedef enum lexmask_crop_shape {
    LEXMASK_CROP_SHAPE_TIGHT,  // the box itself; CLIP's centre crop cuts the ends off a long one
    LEXMASK_CROP_SHAPE_SQUARE, // a square around the box
} lexmask_crop_shape;

// Where the objectness score comes from.
typedef enum lexmask_objectness {
    LEXMASK_OBJECTNESS_AUTO, // the box head where it is class-agnostic, else the RPN
    LEXMASK_OBJECTNESS_HEAD, // the box head, which tells parts of objects from whole ones
    LEXMASK_OBJECTNESS_RPN,  // the region proposal network, which knows no classes
} lexmask_objectness;

typedef struct lexmask_session_options {
    size_t size; // of this struct
    lexmask_mode mode;
    int threads;        // LEXMASK_DEFAULT: all processors
    int64_t max_pixels; // larger pictures are refused; default 100,000,000
    double score;       // minimum score; LEXMASK_DEFAULT: 0.05, or the model's own
    double nms;         // of two boxes of one name with a larger IoU, the better one is kept;
                        // LEXMASK_DEFAULT: 0.5, or the model's own
    int top;            // maximum number of detections per picture; LEXMASK_DEFAULT: 100, or the
                        // model's own
    int proposals;      // crop mode: the best N of the RPN; LEXMASK_DEFAULT: the model's own
    int clip_batch;     // crop mode: crops encoded at a time; default 64
    // Crop mode with a Mask R-CNN.
    lexmask_crop_shape crop_shape;    // default square
    double crop_context;              // side of the square in longer sides of the box, 1 … 10;
                                      // default 1.15
    double objectness;                // weight w of the objectness o beside the probability p of
                                      // the name: score = p^(1-w) o^w; default 0.5
    lexmask_objectness objectness_of; // default auto
    // F-VLM.
    int agnostic;    // 1: class-agnostic, one detection per box, scored by objectness
    int keep_scores; // 1: results keep both scores of every box (lexmask_result_scores)
    int each_score;  // 1: results also hold what each score alone finds (lexmask_result_alone)
    int max_size;    // pictures that are much larger than the model's picture size are seen at
                     // up to so many pixels a side, if the model's time grows with the number of
                     // pixels only (a ResNet, a ViT with windows); log tells of pictures that are
                     // still seen much smaller than they are. LEXMASK_DEFAULT: all are seen at
                     // the model's own size, and log does not tell
    const char *score2; // how CLIP scores a box: none, crop, embed, dense, maskcls or attnpool;
                        // NULL: the model's own
    double alpha, beta; // weight of that score for names that the model was trained on, and for
                        // all others, 0 … 1; LEXMASK_DEFAULT: the model's own
    const char *novel;  // a file with the names, one per line, that beta is used for; alpha is
                        // used for all others. NULL: alpha for those that the model lists
    // Called between batches with the part of the picture that is done, 0 … 1. Another value than
    // 0 cancels the run.
    int (*progress)(void *user, double done);
    void *progress_user;
    lexmask_log log;
    void *log_user;
} lexmask_session_options;

LEXMASK_API void lexmask_session_options_init_sized(lexmask_session_options *options, size_t size);
static inline void lexmask_session_options_init(lexmask_session_options *options) {
    lexmask_session_options_init_sized(options, sizeof *options);
}
// names: NULL in closed mode, and in crop mode for embeddings, or until lexmask_session_set_names.
// Model and names must outlive the session.
LEXMASK_API lexmask_status lexmask_session_new(const lexmask_model *model,
                                               const lexmask_names *names,
                                               const lexmask_session_options *options,
                                               lexmask_session **session, lexmask_error *err);
// From the next run on looks for other names of the same model. The old ones may be freed as soon
// as no result needs their texts. On failure the session is as it was.
LEXMASK_API lexmask_status lexmask_session_set_names(lexmask_session *session,
                                                     const lexmask_names *names,
                                                     lexmask_error *err);
LEXMASK_API void lexmask_session_free(lexmask_session *session);

typedef enum lexmask_pixels {
    LEXMASK_PIXELS_RGB,
    LEXMASK_PIXELS_BGR,
    LEXMASK_PIXELS_RGBA, // alpha is ignored
    LEXMASK_PIXELS_BGRA,
    LEXMASK_PIXELS_GREY,
} lexmask_pixels;

// A picture in one of three forms; made by the functions below.
typedef struct lexmask_picture {
    size_t size;       // of this struct
    int width, height; // of pixels
    lexmask_pixels format;
    const char *path;  // a file, or
    const void *bytes; // byte_count bytes of an encoded file in memory, or
    size_t byte_count;
    const void *pixels; // 8 bits per channel
    size_t stride;      // bytes from one row of them to the next; 0: tightly packed
} lexmask_picture;

// An encoded picture is known by its bytes, not its name: JPEG, PNG, PPM, BMP, and WebP, GIF, TIFF,
// AVIF, HEIC where this build reads them. Its EXIF orientation is applied: boxes and results are in
// pixels of the upright picture.
static inline lexmask_picture lexmask_picture_file(const char *path) {
    lexmask_picture picture = {sizeof picture, 0, 0, LEXMASK_PIXELS_RGB, path, NULL, 0, NULL, 0};
    return picture;
}
static inline lexmask_picture lexmask_picture_bytes(const void *bytes, size_t count) {
    lexmask_picture picture = {sizeof picture, 0,    0, LEXMASK_PIXELS_RGB, NULL, bytes,
                               count,          NULL, 0};
    return picture;
}
static inline lexmask_picture lexmask_picture_pixels(const void *pixels, int width, int height,
                                                     size_t stride, lexmask_pixels format) {
    lexmask_picture picture = {sizeof picture, width, height, format, NULL,
                               NULL,           0,     pixels, stride};
    return picture;
}

// Finds objects. LEXMASK_EINVAL: a picture over max_pixels, a session without names in crop mode.
LEXMASK_API lexmask_status lexmask_run(lexmask_session *session, const lexmask_picture *picture,
                                       lexmask_result **result, lexmask_error *err);
static inline lexmask_status lexmask_run_file(lexmask_session *session, const char *path,
                                              lexmask_result **result, lexmask_error *err) {
    lexmask_picture picture = lexmask_picture_file(path);
    return lexmask_run(session, &picture, result, err);
}
static inline lexmask_status lexmask_run_bytes(lexmask_session *session, const void *bytes,
                                               size_t count, lexmask_result **result,
                                               lexmask_error *err) {
    lexmask_picture picture = lexmask_picture_bytes(bytes, count);
    return lexmask_run(session, &picture, result, err);
}
static inline lexmask_status lexmask_run_pixels(lexmask_session *session, const void *pixels,
                                                int width, int height, size_t stride,
                                                lexmask_pixels format, lexmask_result **result,
                                                lexmask_error *err) {
    lexmask_picture picture = lexmask_picture_pixels(pixels, width, height, stride, format);
    return lexmask_run(session, &picture, result, err);
}

// Names given boxes instead of finding objects. boxes: count times x1, y1, x2, y2. labels[count]:
// indices into the names; -1 where the background, or a name that only competes, fits best.
// scores[count]: the probability of the name. Crop mode.
LEXMASK_API lexmask_status lexmask_name_boxes(lexmask_session *session,
                                              const lexmask_picture *picture, const float *boxes,
                                              size_t count, int *labels, float *scores,
                                              lexmask_error *err);

// ---- embeddings --------------------------------------------------------------------------------
// CLIP's vectors of unit length: the dot product of two is how alike their texts or pictures are.
// For sessions of the crop mode, with or without names.

LEXMASK_API size_t lexmask_model_embedding_size(const lexmask_model *model); // D; 0: no CLIP
// texts: count sentences, used as they stand. out[count * D]. LEXMASK_EINVAL: no tokenizer.
LEXMASK_API lexmask_status lexmask_embed_texts(lexmask_session *session, const char *const *texts,
                                               size_t count, float *out, lexmask_error *err);
// The picture whole, as CLIP preprocesses it. out[D].
LEXMASK_API lexmask_status lexmask_embed_picture(lexmask_session *session,
                                                 const lexmask_picture *picture, float *out,
                                                 lexmask_error *err);
// Crops of the picture: count boxes x1, y1, x2, y2, cut out as crop_shape and crop_context of the
// session say (for an F-VLM: their defaults). out[count * D].
LEXMASK_API lexmask_status lexmask_embed_boxes(lexmask_session *session,
                                               const lexmask_picture *picture, const float *boxes,
                                               size_t count, float *out, lexmask_error *err);

// ---- results -----------------------------------------------------------------------------------

#define LEXMASK_TOP 5

typedef struct lexmask_detection {
    size_t size;      // of this struct, as the library has it
    float box[4];     // x1, y1, x2, y2 in pixels of the picture
    float score;      // crop: name_score and objectness combined; closed: of the class
    float objectness; // crop: how likely the box holds an object at all; closed: 1
    float name_score; // crop: the probability of the name; closed: of the class
    int label;        // crop: index into the names; closed: the detector's class
    const char *name;
    int top_count; // crop: the best names and their probabilities, best first
    int top_label[LEXMASK_TOP];
    float top_score[LEXMASK_TOP];
    float score1, score2; // F-VLM: probability of the name by the trained embedding, and by CLIP's
                          // own features in the box; else -1
    int novel; // F-VLM: 1: the detector was not trained on boxes of this name; 0: it was; -1: not
               // known (the model has no list, and the session option `novel` is not set)
} lexmask_detection;

// Detections, best first. The struct that `at` returns is the library's: always use `at` for the
// next one, since its size may differ from your header's.
LEXMASK_API size_t lexmask_result_count(const lexmask_result *result);
LEXMASK_API const lexmask_detection *lexmask_result_at(const lexmask_result *result, size_t i);
LEXMASK_API void lexmask_result_size(const lexmask_result *result, int *width, int *height);
// The picture, upright: height rows of width pixels of red, green and blue, tightly packed.
LEXMASK_API const uint8_t *lexmask_result_pixels(const lexmask_result *result);
// 0: boxes alone, because the model has no mask head: the functions for masks then fail with
// LEXMASK_EUNSUPPORTED.
LEXMASK_API int lexmask_result_has_masks(const lexmask_result *result);
// One byte per pixel, 1 inside the mask of detection i. stride: bytes per row; 0: the width.
LEXMASK_API lexmask_status lexmask_result_mask(const lexmask_result *result, size_t i,
                                               uint8_t *mask, size_t stride, lexmask_error *err);
// The mask as COCO's compressed run-length text, which belongs to the result.
LEXMASK_API lexmask_status lexmask_result_rle(const lexmask_result *result, size_t i,
                                              const char **text, lexmask_error *err);
// The mask as polygons along the edges of its pixels: ring r is the points first[r] …
// first[r+1]-1, each x, y; the last is joined to the first. Outer rings run clockwise on the
// screen, holes anticlockwise. Pixels that touch at a corner alone are in different rings. Filled
// by the even-odd rule the rings are the mask again. Belongs to the result.
typedef struct lexmask_polygons {
    size_t size;           // of this struct, as the library has it
    size_t count;          // of rings
    const size_t *first;   // [count+1]
    const int32_t *points; // [first[count]][2]
    const int *outer;      // [count] -1: an outer ring; else a hole in the ring of that number
} lexmask_polygons;
LEXMASK_API lexmask_status lexmask_result_polygons(const lexmask_result *result, size_t i,
                                                   const lexmask_polygons **polygons,
                                                   lexmask_error *err);
// The boxes that the region proposal network gave, best first, before they have names. The closed
// mode keeps none. at: 0 when i is past the end.
LEXMASK_API size_t lexmask_result_proposal_count(const lexmask_result *result);
LEXMASK_API int lexmask_result_proposal_at(const lexmask_result *result, size_t i, float box[4]);

// Both scores of every box, before they are fused and boxes are selected, for trying other weights.
// Columns are the names, those that only compete and, if there is one, the background.
//
// How they are fused and selected: fused = score1^(1-w) score2^w, where w is alpha for base names
// and beta for others; rows are scaled to sum 1 if renormalise; times objectness^power. Then a box
// is kept if its score is over `score`, its IoU with a better one of its name is at most `nms`, and
// it is among the best `top`. soft: IoU above which a lower-scored box of the same name is
// down-weighted. inside: fraction of a box contained in a better one above which it is dropped; 1:
// never.
typedef struct lexmask_scores {
    size_t size; // of this struct, as the library has it
    size_t count, columns;
    const float *boxes;           // [count,4] x1, y1, x2, y2 in pixels of the picture
    const float *objectness;      // [count]
    const float *score1, *score2; // [count,columns]; score2 is NULL without one
    const unsigned char *base;    // [columns without the background] 1: alpha is used
    double alpha, beta, power, score, nms, soft, inside;
    int background, renormalise, top;
} lexmask_scores;
// NULL: the result has none (session option keep_scores, F-VLM).
LEXMASK_API const lexmask_scores *lexmask_result_scores(const lexmask_result *result);
// What score 1 alone (score = 1) or score 2 alone (2; without one as 1) would have found in the
// same run. It belongs to the result and has no proposals. NULL: the result has none (session
// option each_score, F-VLM).
LEXMASK_API const lexmask_result *lexmask_result_alone(const lexmask_result *result, int score);
LEXMASK_API void lexmask_result_free(lexmask_result *result);

// ---- evaluation --------------------------------------------------------------------------------

// COCO's figures, as pycocotools computes them; -1 where there is nothing to be found.
typedef struct lexmask_figures {
    size_t size; // of this struct; set by lexmask_figures_init
    double ap, ap50, ap75, ap_small, ap_medium, ap_large;   // mean average precision
    double ar1, ar10, ar100, ar_small, ar_medium, ar_large; // mean average recall
} lexmask_figures;
static inline void lexmask_figures_init(lexmask_figures *figures) {
    lexmask_figures none = {sizeof none, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    *figures = none;
}
// annotations, results: COCO's JSON files. masks: 1 compares masks, 0 boxes. threads:
// LEXMASK_DEFAULT, all processors. LEXMASK_EFORMAT names the file and the place.
LEXMASK_API lexmask_status lexmask_evaluate_coco(const char *annotations, const char *results,
                                                 int masks, int threads, lexmask_figures *figures,
                                                 lexmask_error *err);

// ---- training ----------------------------------------------------------------------------------
// Trains the adapters of an F-VLM around a frozen CLIP on COCO annotations, as `lexmask train`
// does. The run's folder becomes a model folder: lexmask_model_options.folder.

typedef struct lexmask_train_options {
    size_t size; // of this struct
    // One of the two, or neither when a run is resumed.
    const char *preset;    // a new model: "seed", "small", "fvlm-rn50", "fvit-b16", "fvit-l14"
    const char *model;     // a model folder: its configuration, and its adapters if it has any
    const char *clip;      // with preset: CLIP's file or folder
    const char *tokenizer; // CLIP's vocabulary; NULL: the one in or beside the CLIP
    const char *data;      // COCO instance annotations
    const char *pictures;  // folder of their pictures
    const char *out;       // the run's folder; made if it does not exist
    const char *base;      // classes to train on: a file, one name per line, or "coco-ovd"; NULL:
                           // all
    const char *val;       // annotations to validate on; NULL: no validation
    const char *val_pictures; // folder of their pictures; NULL: `pictures`
    const char *cache;        // folder that keeps the frozen tower's features; NULL: none
    const char *device;       // one of lexmask_devices; NULL: "cpu"
    const char *dtype;        // of products: "f32" or "bf16"; NULL: "f32"
    const char *optimizer;    // "adamw" or "muon"; NULL: "adamw"
    const char *loss;         // of names: "softmax" or "cosine"; NULL: the configuration's
    const char *norm;         // with preset: "batch", "group" or "none"; NULL: the preset's
    // LEXMASK_DEFAULT is the configuration's where nothing else is said.
    int64_t steps;            // updates
    double epochs;            // instead of steps: rounds through the data
    int64_t warmup;           // updates until the learning rate is at its highest
    double lr;                // the highest learning rate
    double decay;             // weight decay
    double clip_norm;         // gradients are clipped at this norm; 0: not
    double average;           // share of the past in a moving average of the weights, which becomes
                              // the model; LEXMASK_DEFAULT: 0, none
    double background_weight; // of background regions in the cross-entropy
    double jitter_min;        // pictures are scaled by a random factor between the two; both are
    double jitter_max;        // given, or neither
    double cache_limit;       // GB; LEXMASK_DEFAULT: 50
    int64_t seed;             // of everything random; LEXMASK_DEFAULT: 1
    int64_t save_every;       // updates between checkpoints; LEXMASK_DEFAULT: 200
    int64_t val_every;        // updates between validations; LEXMASK_DEFAULT: 1000
    int64_t val_limit;        // validate on the first pictures only; LEXMASK_DEFAULT: all
    int batch;                // pictures that go through together; LEXMASK_DEFAULT: at most 2
    int accumulate;           // batches per update; LEXMASK_DEFAULT: 1 if batch is given
    int regions;              // per picture, for the box and mask heads; LEXMASK_DEFAULT: 512
    int picture_size;         // pictures are squares with this side, in pixels
    int flip;                 // default 1: as the configuration says; 0: pictures are not mirrored
    int workers;              // threads that read pictures ahead; LEXMASK_DEFAULT: 2
    int threads;              // LEXMASK_DEFAULT: all processors
    int resume;               // 1: go on with the run in `out`, or begin it if there is none; other
                              // options need not be given again. Default 0: `out` holds no run
} lexmask_train_options;

LEXMASK_API void lexmask_train_options_init_sized(lexmask_train_options *options, size_t size);
static inline void lexmask_train_options_init(lexmask_train_options *options) {
    lexmask_train_options_init_sized(options, sizeof *options);
}

typedef struct lexmask_train_update {
    size_t size;                   // of this struct, as the library has it
    int64_t step, steps;           // updates done, of how many
    size_t loss_count;             // of the two lists
    const char *const *loss_names; // "objectness", …
    const double *losses;          // their values
    double loss;                   // their sum, which is learned
    double rate;                   // the learning rate used
    double norm;                   // of the gradients, before they are clipped
    double pictures_per_second, seconds_left;
} lexmask_train_update;

typedef struct lexmask_value { // its size never changes
    const char *name;
    double value;
} lexmask_value;

// Callbacks on the thread that called lexmask_train; each may be NULL. What they are passed is
// valid until they return.
typedef struct lexmask_train_watcher {
    size_t size; // of this struct
    void *user;
    // Asked between parts of an update, pictures of a validation, and sentences. Another value than
    // 0 saves the run and ends it with LEXMASK_ECANCELLED.
    int (*stop)(void *user);
    void (*update)(void *user, const lexmask_train_update *update); // after every update
    void (*note)(void *user, const char *text); // what was found in the data, warnings
    // A validation after `step` updates. Names, of those that apply: "AP", "AP50", "mask_AP",
    // "mask_AP50", "AP50_base", "AP50_novel", "rpn_AR@100", "rpn_AR@1000", "rpn_R50@1000",
    // "box_AR@100", "box_AR@1000", "box_R50@100".
    void (*measured)(void *user, int64_t step, const lexmask_value *values, size_t count);
    void (*sentences)(void *user, size_t done, size_t all); // while names are embedded
} lexmask_train_watcher;

LEXMASK_API void lexmask_train_watcher_init_sized(lexmask_train_watcher *watcher, size_t size);
static inline void lexmask_train_watcher_init(lexmask_train_watcher *watcher) {
    lexmask_train_watcher_init_sized(watcher, sizeof *watcher);
}

// Runs the training to its last update. watcher: NULL, nobody watches. A run that was stopped and
// resumed ends with the same bits as one that was not. LEXMASK_ECANCELLED: stopped by the watcher;
// everything is saved. LEXMASK_EINVAL: an option, also one that is not that of the run to resume;
// the text has the name of the field. LEXMASK_EFORMAT: a file, or a loss that is not finite.
LEXMASK_API lexmask_status lexmask_train(const lexmask_train_options *options,
                                         const lexmask_train_watcher *watcher, lexmask_error *err);

#ifdef __cplusplus
}
#endif
#endif
