// SPDX-License-Identifier: Apache-2.0
// lexmask info of a picture.
#pragma once

#include "tensor/status.h"

#include <jansson.h>

// Decodes the picture and prints its format and size as text, or gives them as a new object in
// *json where json is not NULL. Errors as io_image_read.
tn_status tool_info_picture(const char *path, json_t **json, tn_error *err);
