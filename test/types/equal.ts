/** Comparing types. A wrong comparison does not compile. */

/** True when both are the very same type. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Takes nothing but `true`. */
export type Holds<_ extends true> = true;
