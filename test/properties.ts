/**
 * fast-check with the same cases in every run, so that a commit is never refused for an old bug that only luck finds: looking for more is
 * a work of its own. `PERDURE_SEED=N` tries the cases of another seed; a failure prints its seed and path.
 */
import fc from "fast-check";

fc.configureGlobal({ seed: Number(process.env.PERDURE_SEED ?? 20_261_121) });

export default fc;
