// SPDX-License-Identifier: Apache-2.0
// COCO's figures of a file of results.
//     ./evaluate ANNOTATIONS.json RESULTS.json
#include <lexmask.h>
#include <stdio.h>
#include <stdlib.h>

static lexmask_error err;

static void must(lexmask_status status) {
    if (status == LEXMASK_OK) return;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    lexmask_figures figures;
    lexmask_figures_init(&figures);
    must(lexmask_evaluate_coco(argv[1], argv[2], 0, LEXMASK_DEFAULT, &figures, &err)); // 0: boxes
    printf("box AP %.3f, AP50 %.3f, AR100 %.3f\n", figures.ap, figures.ap50, figures.ar100);
    return 0;
}
