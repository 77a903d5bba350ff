//! A span, page by page.

use futures_util::Stream;
use futures_util::stream::{self, TryStreamExt};
use proto::v1::{Row, ScanResponse};

use crate::client::Client;
use crate::error::Error;
use crate::query::{Consistency, Scan};

/// The pages of a span, all as of one moment. From [`Client::pages`].
///
/// ```no_run
/// # async fn example(client: client::Client) -> Result<(), client::Error> {
/// let mut pages = client.pages(client::Scan::prefix("user/"));
/// while let Some(page) = pages.next().await? {
///     for row in page.rows {
///         println!("{:?}", row.key);
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// The versions of that moment are kept for ten minutes by default: what takes longer ends with [`Error::TooOld`],
/// unless [`Client::hold`] keeps them.
#[derive(Clone, Debug)]
pub struct Pages {
    client: Client,
    /// What is still to be read; none: nothing.
    rest: Option<Scan>,
}

impl Pages {
    pub(crate) fn new(client: Client, scan: Scan) -> Self {
        Self { client, rest: Some(scan) }
    }

    /// The next page; none after the last. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn next(&mut self) -> Result<Option<ScanResponse>, Error> {
        let Some(scan) = &self.rest else { return Ok(None) };
        let page = self.client.scan(scan).await?;
        self.client = self.client.with_consistency(Consistency::Snapshot(page.timestamp));
        self.rest = scan.behind(&page);
        Ok(Some(page))
    }

    /// The rows of all pages, one by one.
    pub fn rows(self) -> impl Stream<Item = Result<Row, Error>> {
        let pages =
            stream::try_unfold(self, async |mut pages| Ok(pages.next().await?.map(|page| (page, pages))));
        pages.map_ok(|page| stream::iter(page.rows.into_iter().map(Ok))).try_flatten()
    }
}

impl Scan {
    /// What is left to be read behind a page.
    fn behind(&self, page: &ScanResponse) -> Option<Scan> {
        let resume = page.resume.clone()?;
        let mut rest = self.clone();
        if self.limit != 0 {
            rest.limit = self.limit.saturating_sub(page.rows.len() as u64);
            if rest.limit == 0 {
                return None;
            }
        }
        *if self.reverse { &mut rest.end } else { &mut rest.start } = resume;
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn page(rows: usize, resume: Option<&'static str>) -> ScanResponse {
        let resume = resume.map(|key| Bytes::from_static(key.as_bytes()));
        ScanResponse { rows: vec![Row::default(); rows], resume, timestamp: 1 }
    }

    #[test]
    fn the_rest_begins_where_the_page_ended() {
        let scan = Scan::range("a", "z").limit(5);
        assert_eq!(scan.behind(&page(2, Some("m"))), Some(Scan::range("m", "z").limit(3)));
        assert_eq!(scan.behind(&page(2, None)), None);
        assert_eq!(scan.behind(&page(5, Some("m"))), None);
        let scan = Scan::range("a", "z").reverse();
        assert_eq!(scan.behind(&page(2, Some("m"))), Some(Scan::range("a", "m").reverse()));
    }
}
