// SPDX-License-Identifier: Apache-2.0
// Converts internal status and error texts to those of the public header, which have the same
// numbers and sizes.
#pragma once

#include "lexmask.h"
#include "tensor/status.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)LEXMASK_ECANCELLED == (int)TN_ECANCELLED, "status numbers differ");
_Static_assert(sizeof((lexmask_error *)0)->text == sizeof((tn_error *)0)->text, "texts differ");

static inline lexmask_status api_status(tn_status status, const tn_error *from, lexmask_error *to) {
    if (status != TN_OK && to) {
        to->status = (lexmask_status)status;
        memcpy(to->text, from->text, sizeof to->text);
        if (!to->text[0]) snprintf(to->text, sizeof to->text, "%s", tn_status_name(status));
    }
    return (lexmask_status)status;
}
