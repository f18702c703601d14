"""What a workspace may let go, what it has to keep and why, and letting go of it.

Which rules there are, and what each is for:

- **Releases**: the newest `keep_releases`, the current one and those named by `--keep` stay, and
  the parent of each, which making it again begins with. Of others a stub of the manifest stays, so
  that no version is given twice, and everybody who asks is told.
- **Tables** of a run stay while it is unfinished; while it is one of the newest `keep_runs`, of all
  or of those that crawled one of its sites to its end (the next run carries pictures and pages on,
  and knows products by them); and where it made a release that stays (`rebuild` reads all of them).
  Of other runs only `run.json` stays (the history that gates judge by), and what is told next.
- **Listings** (`annotations` of an import) stay where a row of a release that stays came from that
  run: `verify` and `audit` resolve the row by them.
- **Captures** stay for `keep_captures_days` (`crawl.refresh_after`, where that is longer), while
  their run is unfinished or made a release that stays, and, file by file, as long as a row of such
  a release names one in it.
- **Pictures**: a run links the image parts that it needs, so the newest run that stays is enough.
  After `keep_pictures_days` the bytes that a release holds too go from them; the rows stay, so that
  the URL, the validators and the digest are known and nothing is fetched twice. Of a part that no
  other run has, the last one to go keeps the rows.

A run is marked in its `run.json` before anything of it goes, seals go before their files, and what
is to go is found anew each time: after a kill, running again finishes.
"""
