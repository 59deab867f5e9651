// SPDX-License-Identifier: Apache-2.0
#include "tests/broken.h"

#include "tests/test.h"

#include <string.h>

void broken_is_refused(const char *name, const char *path, tn_status status, const tn_error *err,
                       const char *part) {
    const char *slash = strrchr(path, '/');
    if (status != TN_EFORMAT && status != TN_EUNSUPPORTED && status != TN_EIO)
        fail_msg("%s: %s, expected a refusal (%s)", name, tn_status_name(status), err->text);
    if (err->status != status)
        fail_msg("%s: returned %s but the error says %s", name, tn_status_name(status),
                 tn_status_name(err->status));
    if (!strstr(err->text, slash ? slash + 1 : path))
        fail_msg("%s: the text does not name the file: %s", name, err->text);
    if (part && !strstr(err->text, part))
        fail_msg("%s: expected '%s' in: %s", name, part, err->text);
}
