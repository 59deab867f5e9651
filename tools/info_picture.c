// SPDX-License-Identifier: Apache-2.0
#include "tools/info_picture.h"
#include "io/file.h"
#include "io/image/image.h"
#include "tensor/alloc.h"

#include <stdio.h>

static tn_status read_facts(const char *path, const char **format, tn_tensor *picture,
                            tn_error *err) {
    io_map file;
    TN_TRY(io_map_open(path, &file, err));
    tn_status status = io_image_decode(file.bytes, file.count, path, 0, picture, err);
    if (status == TN_OK) *format = io_image_recognise(file.bytes, file.count)->name;
    io_map_close(&file);
    return status;
}

tn_status tool_info_picture(const char *path, json_t **json, tn_error *err) {
    const char *format;
    char formats[IO_IMAGE_FORMATS_TEXT], missing[IO_IMAGE_FORMATS_TEXT];
    tn_tensor picture;
    TN_TRY(read_facts(path, &format, &picture, err));
    io_image_formats(true, formats, sizeof formats);
    io_image_formats(false, missing, sizeof missing);
    if (json) {
        *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s}", "file", path, "format", format,
                          "family", "picture", "width", (json_int_t)picture.dim[1], "height",
                          (json_int_t)picture.dim[0], "formats_read", formats, "formats_missing",
                          missing);
    } else {
        printf("file     %s\nformat   %s\nfamily   picture\nsizes    %lldx%lld pixels, upright\n",
               path, format, (long long)picture.dim[1], (long long)picture.dim[0]);
        printf("reads    %s\n", formats);
        if (missing[0]) printf("missing  %s\n", missing);
    }
    tn_free(picture.data);
    return TN_OK;
}
