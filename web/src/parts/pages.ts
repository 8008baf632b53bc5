/** The pages that exist, with their keys. */
export const PAGES = [
  { name: "overview", key: "1" },
  { name: "network", key: "2" },
  { name: "alarms", key: "3" },
  { name: "points", key: "4" },
  { name: "trends", key: "5" },
  { name: "commands", key: "6" },
  { name: "system", key: "0" },
] as const;

export type PageName = (typeof PAGES)[number]["name"];
export const FIRST_PAGE: PageName = "network";
