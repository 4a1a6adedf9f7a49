/** The rows that move through the pipeline, one type for each stage. */

/** An airport of `airports.csv`; what the file does not know is `null`. */
export interface Airport {
  readonly iata: string;
  readonly name: string;
  readonly city: string | null;
  readonly state: string | null;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
}

/** One day at a weather station; millimetres, degrees Celsius. */
export interface WeatherDay {
  readonly station: string;
  readonly date: string;
  readonly precipitation: number;
  readonly tempMax: number;
  readonly tempMin: number;
  readonly wind: number;
  readonly weather: string;
}

/** Flights of the year 2008 on a route. */
export interface RouteVolume {
  readonly origin: string;
  readonly destination: string;
  readonly flights: number;
}

/** What a calendar month is usually like at a station: shares from 0 to 1. */
export interface Climate {
  readonly station: string;
  readonly month: number;
  readonly days: number;
  readonly wetShare: number;
  readonly snowShare: number;
}

/** Where a flight record came from. */
export type Source = "operations" | "feed";

/** A flight as a source wrote it down, under common names but with nothing checked or converted. */
export interface RawFlight {
  readonly source: Source;
  readonly departed: string;
  readonly origin: string;
  readonly destination: string;
  readonly miles: string;
  readonly delay: string;
}

/** What a flight record needs to know of an airport. */
export interface Place {
  readonly iata: string;
  readonly city: string | null;
  readonly state: string | null;
  readonly latitude: number;
  readonly longitude: number;
}

/** A raw flight beside what the other sources know about it; `null` where they know nothing. */
export interface MergedFlight {
  readonly flight: RawFlight;
  readonly origin: Place | null;
  readonly destination: Place | null;
  readonly climate: Climate | null;
  /** Flights on this route in 2008. */
  readonly routeVolume: number | null;
}

/** A flight that passed all checks. */
export interface CleanFlight {
  /** Natural key: the same flight has it in every source and every run. */
  readonly key: string;
  readonly source: Source;
  /** Local time of departure, `YYYY-MM-DDTHH:MM`. */
  readonly departedAt: string;
  readonly origin: Place;
  readonly destination: Place;
  readonly miles: number;
  /** Minutes; negative when the flight arrived early. */
  readonly arrivalDelay: number;
  readonly climate: Climate | null;
  readonly routeVolume: number | null;
}

/** A clean flight with the attributes reports group by. */
export interface EnrichedFlight extends CleanFlight {
  /** `YYYYMMDD` as a number. */
  readonly dateKey: number;
  readonly hour: number;
  /** From 1 (Monday) to 7 (Sunday). */
  readonly weekday: number;
  readonly distanceBand: string;
  readonly delayClass: string;
  readonly greatCircleMiles: number;
  readonly originRegion: string;
  readonly destinationRegion: string;
}
