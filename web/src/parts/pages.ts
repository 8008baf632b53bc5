/** The pages that exist, with their keys and the right that opens them; everybody has some section of the system. */
export const PAGES = [
  { name: "overview", key: "1", needs: "view" },
  { name: "network", key: "2", needs: "view" },
  { name: "alarms", key: "3", needs: "view" },
  { name: "points", key: "4", needs: "view" },
  { name: "trends", key: "5", needs: "view" },
  { name: "commands", key: "6", needs: "view" },
  { name: "switching", key: "7", needs: "view" },
  { name: "system", key: "0", needs: null },
] as const;

export type PageName = (typeof PAGES)[number]["name"];
export const FIRST_PAGE: PageName = "network";
