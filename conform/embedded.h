/* SPDX-License-Identifier: MIT
 * What the build put into the program: the guest image, the sources of its tests, the clause tables,
     the page's frame. Each has a
 * zero after its end. An image of length 0: this build had no compiler for it. */
#ifndef CONFORM_EMBEDDED_H
#define CONFORM_EMBEDDED_H

#define EMBEDDED(name) extern const unsigned char conform_##name[]; extern const unsigned long conform_##name##_len
EMBEDDED(image);
EMBEDDED(sources);      /* of conform/tests, each after a line "=== file" */
EMBEDDED(clauses);      /* docs/tlfs/clauses.tsv */
EMBEDDED(requirements); /* docs/tlfs/requirements.tsv */
EMBEDDED(reasons);      /* conform/untested.tsv: why a clause has no test */
EMBEDDED(choices);      /* conform/choices.tsv: what Partita does where the TLFS leaves it open */
EMBEDDED(page);         /* conform/page.html */
#undef EMBEDDED

#endif
