//! `query`: what can be typed of a person, as columns of the CSV contract.

use std::collections::BTreeMap;

use clap::Args;

#[derive(Args)]
pub(super) struct QueryArgs {
    /// The agreement to ask under; may be left out where only one is in force
    #[arg(long, value_name = "ID")]
    pub(super) agreement: Option<String>,
    #[command(flatten)]
    pub(super) details: Details,
}

/// What is known of the person; each may be given several times.
#[derive(Args)]
#[group(multiple = true)]
#[command(next_help_heading = "What you know of the person (at least one; each may be repeated)")]
pub(super) struct Details {
    /// Given names, as in --given-names "Ana Maria"
    #[arg(long, value_name = "NAMES")]
    given_names: Vec<String>,
    /// Family name
    #[arg(long, value_name = "NAME")]
    surname: Vec<String>,
    /// Another name the person goes by
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// Date of birth: 2009-04-17 or 17/04/2009
    #[arg(long, value_name = "DATE")]
    date_of_birth: Vec<String>,
    /// Sex
    #[arg(long, value_name = "SEX")]
    sex: Vec<String>,
    /// Nationality
    #[arg(long, value_name = "COUNTRY")]
    nationality: Vec<String>,
    /// House and street
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<String>,
    /// Town
    #[arg(long, value_name = "TOWN")]
    town: Vec<String>,
    /// Postcode
    #[arg(long, value_name = "POSTCODE")]
    postcode: Vec<String>,
    /// Unique property reference number
    #[arg(long, value_name = "NUMBER")]
    uprn: Vec<String>,
    /// Telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Vec<String>,
    /// Email address
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// NHS number
    #[arg(long, value_name = "NUMBER")]
    nhs_number: Vec<String>,
    /// National Insurance number
    #[arg(long, value_name = "NUMBER")]
    ni_number: Vec<String>,
    /// Unique pupil number
    #[arg(long, value_name = "NUMBER")]
    upn: Vec<String>,
    /// Police National Computer identifier
    #[arg(long, value_name = "NUMBER")]
    pnc_id: Vec<String>,
    /// Criminal Records Office number
    #[arg(long, value_name = "NUMBER")]
    cro: Vec<String>,
    /// Passport: issuing country and number
    #[arg(long, value_name = "PASSPORT")]
    passport: Vec<String>,
    /// Vehicle registration mark
    #[arg(long, value_name = "MARK")]
    vehicle: Vec<String>,
    /// Account on a platform: platform and handle
    #[arg(long, value_name = "ACCOUNT")]
    account: Vec<String>,
}

impl Details {
    /// As columns of the CSV contract; several values are joined as they would be in a cell.
    pub(super) fn columns(self) -> BTreeMap<String, String> {
        let Self {
            given_names,
            surname,
            alias,
            date_of_birth,
            sex,
            nationality,
            address,
            town,
            postcode,
            uprn,
            phone,
            email,
            nhs_number,
            ni_number,
            upn,
            pnc_id,
            cro,
            passport,
            vehicle,
            account,
        } = self;
        let columns = [
            ("given_names", given_names),
            ("surname", surname),
            ("alias", alias),
            ("date_of_birth", date_of_birth),
            ("sex", sex),
            ("nationality", nationality),
            ("address", address),
            ("town", town),
            ("postcode", postcode),
            ("uprn", uprn),
            ("phone", phone),
            ("email", email),
            ("nhs_number", nhs_number),
            ("ni_number", ni_number),
            ("upn", upn),
            ("pnc_id", pnc_id),
            ("cro", cro),
            ("passport", passport),
            ("vehicle", vehicle),
            ("account", account),
        ];
        let cells = columns.map(|(column, values)| (column.to_owned(), values.join(";")));
        let given = cells
            .into_iter()
            .filter(|(_, cell)| !cell.trim().is_empty());
        given.collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::args::{Cli, Task};

    #[test]
    fn details_are_columns_of_the_contract() {
        let args = [
            "symbolon-node",
            "query",
            "--phone",
            "1",
            "--phone",
            "2",
            "--sex",
            " ",
        ];
        let Task::Query(query) = Cli::try_parse_from(args).ok().unwrap().task else {
            panic!("a query");
        };
        let columns = query.details.columns();
        assert_eq!(columns, [("phone".to_owned(), "1;2".to_owned())].into());

        let mut command = Cli::command();
        command.build();
        let query = command.find_subcommand("query").unwrap();
        let details = query
            .get_groups()
            .find(|g| g.get_id() == "Details")
            .unwrap();
        for id in details.get_args() {
            let column = id.as_str();
            assert!(
                symbolon_core::linkage::record::COLUMNS.contains(&column),
                "{column}"
            );
        }
    }
}
